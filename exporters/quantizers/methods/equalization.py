"""Cross-layer equalization: channels of one layer get the range that the next layer's weights for them have.

Source: Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction" (ICCV 2019), section 4.1. Between two layers stands a function with `f(s x) = s f(x)` for `s > 0`, such as
Relu, so that `W2 f(W1 x + b1) = (W2 S) f(S^-1 W1 x + S^-1 b1)` (equation 7). The scales `s = sqrt(r1 r2) / r2` make the
ranges `r1` of the outputs of W1 and `r2` of the inputs of W2 the same (equation 11).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.clips import SeenClip, make_relus
from crossrt.exporters.quantizers.methods.layers import (
    Array,
    Layer,
    array,
    is_constant,
    layers_of,
    number,
    numbers,
    replace,
)

MOST_ROUNDS: Final = 50
SETTLED: Final = 1e-3
"""Scales of a round that are all so near to 1 end the equalization, and are no change where they are the first."""

LARGEST_SCALE: Final = 1e6
"""Scales beyond it would make float32 lose what a channel says."""

_SAME: Final = frozenset(("Relu", "LeakyRelu", "PRelu", "Identity", "Dropout", "MaxPool", "AveragePool"))
"""Operators that leave channels where they are, on axis 1."""

_MOVING: Final = frozenset(("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"))
_POOLING: Final = frozenset(("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two layers that follow each other.

    Attributes:
        first: The layer whose outputs are scaled.
        second: The layer whose inputs are scaled.
        channels: Which output channel of the first each input of the second comes from, `(inputs,)`.
        clips: Nodes between them that are a Clip.
    """

    first: Layer
    second: Layer
    channels: Array
    clips: tuple[ir.Node, ...] = ()


def equalize(model: ir.Model, clips: Sequence[SeenClip] = ()) -> int:
    """Equalizes all pairs of layers of a float model in place, again and again until nothing changes.

    Args:
        model: The model.
        clips: Clips from 0 to a limit. Scales pass through those that cut nothing off, which become Relu.

    Returns:
        How many pairs there are.

    Raises:
        UnfitRecipeError: No layer follows another so, or the channels of all are equal already.
    """
    pairs = list(pairs_of(model, [each.node for each in clips if not each.cuts]))
    if not pairs:
        cutting = [str(each) for each in clips if each.cuts]
        raise UnfitRecipeError(
            "equalize = true finds no two layers to equalize: a Conv or Gemm with weights, then only Relu, LeakyRelu,"
            " pooling or reshaping, and one reader, a Conv or Gemm"
            f"{f' ({cutting[0]})' if cutting else ''}; leave equalize out"
        )
    make_relus([node for pair in pairs for node in pair.clips])
    largest = 0.0
    for _ in range(MOST_ROUNDS):
        change = max(_equalize_pair(pair) for pair in pairs)
        largest = max(largest, change)
        if change < SETTLED:
            break
    if largest < SETTLED:
        raise UnfitRecipeError("equalize = true changes nothing: the channels have equal ranges already")
    return len(pairs)


def _equalize_pair(pair: Pair) -> float:
    """Scales one pair; the largest distance of a scale's logarithm from 0."""
    first, second = pair.first, pair.second
    weights, readers = first.matrices(first.values), inputs_first(second)
    outputs = weights.shape[0] * weights.shape[1]
    before = np.abs(weights).max(axis=2).reshape(-1).astype(np.float64)
    after = np.zeros(outputs)
    np.maximum.at(after, pair.channels, np.abs(readers).max(axis=1))
    is_used = (before > 0) & (after > 0)  # a channel that says nothing, or that nobody hears, stays as it is
    scales = np.ones(outputs)
    scales[is_used] = np.sqrt(before[is_used] / after[is_used])
    scales = np.clip(scales, 1 / LARGEST_SCALE, LARGEST_SCALE)
    scale_outputs(first, 1 / scales)
    scale_inputs(second, readers * scales[pair.channels][:, None])
    return float(np.abs(np.log(scales)).max())


def scale_outputs(layer: Layer, factors: Array) -> None:
    """Multiplies the outputs of a layer by a factor for each channel, `(channels,)`."""
    replace(layer.weight, layer.from_matrices(layer.matrices(layer.values) * layer.by_output(factors)))
    if layer.bias is not None:
        values = array(layer.bias)
        spread = np.broadcast_to(values, np.broadcast_shapes(values.shape, factors.shape)) * factors
        replace(layer.bias, spread)


def inputs_first(layer: Layer) -> Array:
    """Weights as `(inputs, what else there is)`: of a convolution with groups each output has inputs of its own."""
    values = layer.values
    if layer.node.op_type != "Conv":
        return np.asarray(values if layer.output_axis == 1 else values.T, np.float64)
    groups = layer.groups
    parts = values.reshape(groups, len(values) // groups, values.shape[1], -1)
    return parts.transpose(0, 2, 1, 3).reshape(groups * values.shape[1], -1).astype(np.float64)


def scale_inputs(layer: Layer, scaled: Array) -> None:
    """The inverse of `inputs_first`."""
    shape = layer.values.shape
    if layer.node.op_type != "Conv":
        replace(layer.weight, scaled if layer.output_axis == 1 else scaled.T)
        return
    groups = layer.groups
    parts = scaled.reshape(groups, shape[1], shape[0] // groups, -1)
    replace(layer.weight, parts.transpose(0, 2, 1, 3).reshape(shape))


def pairs_of(model: ir.Model, clips: Sequence[ir.Node] = ()) -> Iterator[Pair]:
    """Pairs of layers with nothing between them but functions that scaling passes through.

    Args:
        model: The model.
        clips: Clips that cut nothing off.
    """
    layers = {id(each.node): each for each in layers_of(model)}
    for layer in layers.values():
        if layer.adds_tensor or (layer.bias is not None and len(layer.bias.uses()) > 1):
            continue
        if layer.node.op_type == "Gemm" and not _is_plain_gemm(layer.node):
            continue
        found = _reader(layer.node.outputs[0], _first_marks(layer), layers, clips)
        if found is not None:
            yield Pair(first=layer, second=found[0], channels=found[1], clips=tuple(_clips_behind(layer, clips)))


def _clips_behind(layer: Layer, clips: Sequence[ir.Node]) -> Iterator[ir.Node]:
    """The Clips between a layer and the next one."""
    node: ir.Node | None = next(iter(layer.node.outputs[0].consumers()), None)
    while node is not None and (node in clips or node.op_type in (*_SAME, *_MOVING, *_POOLING)):
        if node in clips:
            yield node
        node = next(iter(node.outputs[0].consumers()), None)


def _is_plain_gemm(node: ir.Node) -> bool:
    factors = (node.attributes.get("alpha"), node.attributes.get("beta"))
    return not number(node, "transA", 0) and all(each is None or each.as_float() == 1 for each in factors)


def _first_marks(layer: Layer) -> Array | None:
    """The number of its channel at each place of a layer's output for one sample; None where shapes are unknown."""
    shape = _shape(layer.node.outputs[0])
    axis = 1 if layer.node.op_type == "Conv" else -1
    channels = layer.values.shape[layer.output_axis]
    if shape is None or shape[axis] != channels:
        return None
    laid = [1] * len(shape)
    laid[axis] = channels
    return np.broadcast_to(np.arange(channels).reshape(laid), shape)


def _reader(
    value: ir.Value, marks: Array | None, layers: dict[int, Layer], clips: Sequence[ir.Node]
) -> tuple[Layer, Array] | None:
    """The one layer that reads a tensor, and the channel behind each of its inputs."""
    uses = list(value.uses())
    if marks is None or len(uses) != 1 or value.is_graph_output():
        return None
    node = uses[0].node
    if uses[0].idx != 0:
        return None
    if (layer := layers.get(id(node))) is not None:
        return _at_layer(layer, marks)
    return _reader(node.outputs[0], marks if node in clips else _moved(node, marks), layers, clips)


def _at_layer(layer: Layer, marks: Array) -> tuple[Layer, Array] | None:
    if layer.node.op_type == "Gemm" and not _is_plain_gemm(layer.node):
        return None
    axis = 1 if layer.node.op_type == "Conv" else -1
    channels = _constant_along(marks, [place for place in range(marks.ndim) if place != axis % marks.ndim])
    if channels is None or len(channels.reshape(-1)) != len(inputs_first(layer)):
        return None
    return layer, channels.reshape(-1)


def _moved(node: ir.Node, marks: Array) -> Array | None:
    """Marks behind a node; None where scales do not pass through it."""
    shape = _shape(node.outputs[0])
    if shape is None:
        return None
    if node.op_type in _SAME:
        if node.op_type == "PRelu" or marks.ndim != len(shape) or marks.shape[:2] != shape[:2]:
            return marks if marks.shape == shape else None
        kept = _constant_along(marks, range(2, marks.ndim)) if marks.shape != shape else marks
        return None if kept is None else np.broadcast_to(kept, shape)
    if node.op_type == "Transpose":
        return marks.transpose(numbers(node, "perm", range(marks.ndim)[::-1]))
    if node.op_type in _MOVING:
        return marks.reshape(shape) if marks.size == np.prod(shape) else None
    if node.op_type in _POOLING:
        return _pooled(node, marks, shape)
    return None


def _pooled(node: ir.Node, marks: Array, shape: tuple[int, ...]) -> Array | None:
    axes: Sequence[int] = range(2, marks.ndim)
    if node.op_type.startswith("Reduce"):
        given = node.inputs[1] if len(node.inputs) > 1 else None
        axes = array(given).reshape(-1).tolist() if is_constant(given) else numbers(node, "axes", ())
        if not axes:
            return None
    kept = _constant_along(marks, [axis % marks.ndim for axis in axes])
    return None if kept is None else kept.reshape(shape)


def _constant_along(marks: Array, axes: Sequence[int]) -> Array | None:
    """Marks with some axes reduced to 1, or None where they differ along them."""
    axes = tuple(axes)
    least, most = marks.min(axis=axes, keepdims=True), marks.max(axis=axes, keepdims=True)
    return least if (least == most).all() else None


def _shape(value: ir.Value) -> tuple[int, ...] | None:
    """The shape for one sample: the first dimension is taken for the batch; None where another is unknown."""
    if value.shape is None or not len(value.shape):
        return None
    sizes = [1, *list(value.shape)[1:]]
    known = [size for size in sizes if isinstance(size, int)]
    return tuple(known) if len(known) == len(sizes) else None
