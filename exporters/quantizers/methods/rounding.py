"""Rounding the weights of a QDQ file anew, layer by layer, each given what the layers before it became."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.adaround import adaround
from crossrt.exporters.quantizers.methods.bias_correction import Feeds
from crossrt.exporters.quantizers.methods.gpfq import gpfq
from crossrt.exporters.quantizers.methods.grid import Grid, limits_of
from crossrt.exporters.quantizers.methods.integer_sums import QuantizedInput, input_of
from crossrt.exporters.quantizers.methods.layers import Array, Layer, layers_of, replace
from crossrt.exporters.quantizers.methods.moments import MOST_INPUTS, Moments
from crossrt.exporters.quantizers.methods.patches import rows_of
from crossrt.exporters.quantizers.methods.sessions import tensors_of
from crossrt.exporters.recipes.recipe import WeightRounding

FEWEST_ROWS: Final = 64
MORE_SAMPLES: Final = "give more with --calibration DATA, or raise calibration_samples of the recipe"
_METHODS: Final[Mapping[str, Callable[[Array, Grid, Moments], Array]]] = {"adaround": adaround, "gpfq": gpfq}


def round_weights(original: ir.Model, quantized: ir.Model, how: WeightRounding, feeds: Feeds) -> int:
    """Replaces integers of weights in a QDQ file, in place, where that makes the error of a layer's output smaller.

    Args:
        original: The float model whose function is the goal.
        quantized: The QDQ file.
        how: The method.
        feeds: Gives the calibration samples anew.

    Returns:
        How many layers have other integers than before.

    Raises:
        UnfitRecipeError: No layer is quantized with its input, there are too few samples, or nothing changes.
        ExportError: ONNX Runtime cannot run a model.
    """
    floats = {each.name: each for each in layers_of(original)}
    layers = [each for each in layers_of(quantized) if each.name in floats and can_be_rounded(each)]
    if not layers:
        raise UnfitRecipeError(
            f"weight_rounding = {how} finds no Conv, Gemm or MatMul that is quantized together with its input"
        )
    models = (original, quantized)
    changed = sum(round_layer(layer, floats[layer.name], models, how, feeds) for layer in layers)
    if not changed:
        raise UnfitRecipeError(f"weight_rounding = {how} changes nothing: rounding to the nearest is best everywhere")
    return changed


def can_be_rounded(layer: Layer) -> bool:
    """Whether a layer is quantized together with its input, and small enough for second moments."""
    if layer.scale is None or input_of(layer) is None:
        return False
    return bool(layer.matrices(layer.values).shape[2] <= MOST_INPUTS)


def round_layer(
    layer: Layer, exact: Layer, models: tuple[ir.Model, ir.Model], how: WeightRounding, feeds: Feeds
) -> bool:
    """Rounds one layer of a quantized file; whether any integer changed.

    Args:
        layer: The layer, which `can_be_rounded`.
        exact: The same layer of the float model.
        models: The float model and the quantized one.
        how: The method, one that looks at a layer at a time.
        feeds: Gives the calibration samples anew.

    Raises:
        UnfitRecipeError: There are too few samples.
        ExportError: ONNX Runtime cannot run a model.
    """
    source = input_of(layer)
    assert source is not None
    weights, before = exact.matrices(exact.values), layer.matrices(layer.values).astype(np.int64)
    moments = _moments(layer, source, exact, models, feeds)
    if moments.rows < FEWEST_ROWS:
        raise UnfitRecipeError(
            f"weight_rounding = {how} needs at least {FEWEST_ROWS} rows of inputs of each layer, and finds"
            f" {moments.rows} of {layer.name}: {MORE_SAMPLES}"
        )
    grid = grid_of(layer)
    after = _METHODS[how](weights, grid, moments)
    is_better = moments.errors(weights, grid.values(after)) < moments.errors(weights, grid.values(before))
    after = np.where(is_better[..., None], after, before)
    if np.array_equal(after, before):
        return False
    replace(layer.weight, layer.from_matrices(after))
    return True


def _moments(
    layer: Layer, source: QuantizedInput, exact: Layer, models: tuple[ir.Model, ir.Model], feeds: Feeds
) -> Moments:
    groups, _, inputs = layer.matrices(layer.values).shape
    moments = Moments.empty(groups, inputs)
    taken = exact.node.inputs[0]
    assert taken is not None
    sides = (tensors_of(models[0], [taken.name or ""], feeds()), tensors_of(models[1], [source.name], feeds()))
    for (floats,), (integers,) in zip(*sides, strict=True):
        moments.add(rows_of(layer, floats), rows_of(layer, source.dequantize(integers)))
    return moments


def grid_of(layer: Layer) -> Grid:
    """Where the rounded weights of a quantized layer lie."""
    assert layer.scale is not None
    assert layer.zero_point is not None
    low, high = limits_of(layer.values.dtype)
    return Grid(
        scale=layer.by_output(layer.scale.astype(np.float64)),
        zero_point=layer.by_output(layer.zero_point.astype(np.float64)),
        low=low,
        high=high,
    )
