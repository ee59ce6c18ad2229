"""BRECQ over a QDQ file: block after block, each given what the blocks before it became.

Source: Li et al. 2021; see `learning`. Left out of the paper: weights of the error by the Fisher information, for which
the loss of the training would have to be known, and learning the scales of activations (section 3.4): those of the file
stay, and the error is that of outputs with activations quantized as they are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.bias_correction import Feeds
from crossrt.exporters.quantizers.methods.blocks import learning
from crossrt.exporters.quantizers.methods.blocks.cutting import Block, blocks_of
from crossrt.exporters.quantizers.methods.blocks.learning import BlockError, Examples, Weights, learn
from crossrt.exporters.quantizers.methods.layers import Array, Layer, layers_of, replace
from crossrt.exporters.quantizers.methods.rounding import MORE_SAMPLES, can_be_rounded, grid_of, round_layer
from crossrt.exporters.quantizers.methods.sessions import tensors_of

FEWEST_SAMPLES: Final = 64
MOST_BYTES: Final = 2**30
"""Of inputs and outputs of a block that are kept in memory; samples beyond are left out."""

_MOST_NAMES: Final = 3
_NAME: Final = "weight_rounding = brecq"


def reconstruct(original: ir.Model, quantized: ir.Model, feeds: Feeds) -> int:
    """Replaces integers of weights in a QDQ file, in place, where that makes the error of a block's output smaller.

    Args:
        original: The float model whose function is the goal.
        quantized: The QDQ file.
        feeds: Gives the calibration samples anew.

    Returns:
        How many layers have other integers than before.

    Raises:
        UnfitRecipeError: The model has no block of several layers, there are too few samples, or nothing changes.
        ExportError: ONNX Runtime cannot run a model.
    """
    floats = {each.name: each for each in layers_of(original)}
    blocks = found_blocks(original, quantized)
    if not any(len(each.layers) > 1 and not each.unknown for each in blocks):
        raise UnfitRecipeError(_no_block(blocks))
    _check_samples(feeds)
    models, changed = (original, quantized), 0
    alone = {id(each.node): each for each in _layer_by_layer(original, quantized, blocks)}
    for block in blocks:
        changed += _learn(block, floats, models, feeds) if block.layers and not block.unknown else 0
        layers = [found for each in block.layers if (found := alone.pop(id(each.node), None)) is not None]
        changed += sum(_round(each, floats[each.name], models, feeds) for each in layers)
    changed += sum(_round(each, floats[each.name], models, feeds) for each in alone.values())
    if not changed:
        raise UnfitRecipeError(f"{_NAME} changes nothing: rounding to the nearest is best everywhere")
    return changed


def remark(original: ir.Model, quantized: ir.Model) -> str | None:
    """Which layers of a QDQ file are not learned with their block, and why; None where all are."""
    blocks = found_blocks(original, quantized)
    names = [each.name for each in _layer_by_layer(original, quantized, blocks)]
    if not names:
        return None
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    hindering = sorted({name for each in blocks if each.layers for name in each.unknown})
    why = f"no gradients are known of {', '.join(hindering)} beside them" if hindering else "they are in no block"
    return (
        f"{_NAME} rounds {', '.join(names[:_MOST_NAMES])}{more} layer by layer, as adaround does, and not with their"
        f" block: {why}"
    )


def found_blocks(original: ir.Model, quantized: ir.Model) -> list[Block]:
    """The blocks of a QDQ file with those of their layers that can be learned."""
    names = {each.name for each in layers_of(original)}
    layers = [each for each in layers_of(quantized) if each.scale is not None and each.name in names]
    goals = {value.name or "" for node in original.graph for value in node.outputs}
    goals |= {each.name or "" for each in original.graph.inputs}
    return blocks_of(quantized, layers, goals)


def _layer_by_layer(original: ir.Model, quantized: ir.Model, blocks: Sequence[Block]) -> list[Layer]:
    """Layers that can be rounded, but with no block."""
    names = {each.name for each in layers_of(original)}
    known = {id(layer.node) for block in blocks if not block.unknown for layer in block.layers}
    layers = [each for each in layers_of(quantized) if each.name in names and id(each.node) not in known]
    return [each for each in layers if can_be_rounded(each)]


def _round(layer: Layer, exact: Layer, models: tuple[ir.Model, ir.Model], feeds: Feeds) -> bool:
    return round_layer(layer, exact, models, "adaround", feeds)


def _no_block(blocks: Sequence[Block]) -> str:
    hindering = sorted({name for each in blocks for name in each.unknown})
    why = f" (no gradients are known of {', '.join(hindering)})" if hindering else ""
    return (
        f"{_NAME} finds no block of two or more quantized layers between points where one tensor flows{why};"
        " weight_rounding = adaround learns layer by layer"
    )


def _learn(block: Block, floats: dict[str, Layer], models: tuple[ir.Model, ir.Model], feeds: Feeds) -> int:
    """Rounds the layers of a block one after the other, then all together; how many have other integers than before."""
    before = [each.values for each in block.layers]
    for each in filter(can_be_rounded, block.layers):
        _round(each, floats[each.name], models, feeds)
    layers = [
        Weights(layer=each, exact=floats[each.name].matrices(floats[each.name].values), grid=grid_of(each))
        for each in block.layers
    ]
    learned = learn(BlockError(block, _examples(block, models, feeds)), layers, learning.STEPS)
    for each, integers in zip(block.layers, learned or (), strict=learned is not None):
        replace(each.weight, each.from_matrices(integers))
    return sum(not np.array_equal(values, each.values) for values, each in zip(before, block.layers, strict=True))


def _check_samples(feeds: Feeds) -> None:
    samples = sum(len(next(iter(each.values()))) for each in feeds())
    if samples < FEWEST_SAMPLES:
        raise UnfitRecipeError(
            f"{_NAME} needs at least {FEWEST_SAMPLES} calibration samples, and finds {samples}: {MORE_SAMPLES}"
        )


def _examples(block: Block, models: tuple[ir.Model, ir.Model], feeds: Feeds) -> Examples:
    """What a block takes on the calibration samples, and what it should give."""
    sides = (tensors_of(models[1], [block.start.name], feeds()), tensors_of(models[0], [block.end.goal], feeds()))
    inputs: list[Array] = []
    goals: list[Array] = []
    size = 0
    for feed, (taken,), (goal,) in zip(feeds(), *sides, strict=True):
        samples = len(next(iter(feed.values())))
        inputs.append(_by_sample(taken, samples))
        goals.append(_by_sample(goal.astype(np.float32), samples))
        size += inputs[-1].nbytes + goals[-1].nbytes
        if size > MOST_BYTES:
            break
    return Examples(inputs=np.concatenate(inputs), goals=np.concatenate(goals))


def _by_sample(values: Array, samples: int) -> Array:
    """Rows of a tensor by the samples they belong to, `(samples, rows of a sample, ...)`."""
    return values.reshape(samples, len(values) // samples, *values.shape[1:])
