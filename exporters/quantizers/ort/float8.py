"""Weights in FP8, before DequantizeLinear: ONNX Runtime computes with them in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir

from crossrt.exporters.errors import ExportError, UnfitRecipeError, first_line
from crossrt.exporters.quantizers.methods.layers import Array, Layer, layers_of, name_nodes
from crossrt.exporters.recipes.recipe import OnnxFloat8

LEAST_OPSET: Final = 19
"""DequantizeLinear takes FP8 from this operator set on."""

LARGEST: Final = 448.0
"""The largest E4M3 number (Micikevicius et al. 2022, table 1)."""


def write_float8(source: Path, path: Path, recipe: OnnxFloat8) -> None:
    """Writes a model whose layers take weights in E4M3, scaled so that the largest of each channel is the largest code.

    Args:
        source: The float model.
        path: The file.
        recipe: What stays in float, and how many weights share a scale.

    Raises:
        UnfitRecipeError: The model has no layer with weights, or cannot be raised to an operator set with FP8.
        ExportError: A name in the recipe fits no layer.
    """
    model = ir.from_proto(_raised(onnx.load(source)))
    name_nodes(model)
    layers = layers_of(model)
    if unknown := set(recipe.nodes_to_exclude) - {each.name for each in layers}:
        raise ExportError(f"nodes_to_exclude names {', '.join(sorted(unknown))}, which are no layers with weights")
    chosen = [each for each in layers if each.name not in recipe.nodes_to_exclude]
    if not chosen:
        raise UnfitRecipeError("the model has no Conv, Gemm or MatMul whose weights are in the file and its own")
    for layer in chosen:
        _replace(model, layer, is_per_channel=recipe.per_channel)
    ir.save(model, path)


def codes_of(weights: Array, axis: int | None) -> tuple[Array, Array]:
    """E4M3 codes of weights and their scale, `max |w| / 448`.

    Args:
        weights: Weights of any shape, float32.
        axis: The axis of the channels, or None for one scale.

    Returns:
        Codes of the shape of the weights, and float32 scales of shape `(channels,)` or `()`.
    """
    others = None if axis is None else tuple(place for place in range(weights.ndim) if place != axis)
    scale = np.asarray(np.abs(weights).max(axis=others, initial=0.0) / LARGEST, np.float32)
    scale = np.where(scale > 0, scale, np.float32(1))
    shape = [-1 if place == axis else 1 for place in range(weights.ndim)] if axis is not None else []
    scaled = np.clip(weights / scale.reshape(shape), -LARGEST, LARGEST)
    return scaled.astype(ml_dtypes.float8_e4m3fn), scale


def _replace(model: ir.Model, layer: Layer, *, is_per_channel: bool) -> None:
    """Puts a DequantizeLinear between a layer and its weights."""
    axis = layer.output_axis if is_per_channel else None
    name = layer.weight.name or layer.name
    made = []
    for suffix, values in zip(("quantized", "scale"), codes_of(layer.values, axis), strict=True):
        value = ir.Value(name=f"{name}_{suffix}", const_value=ir.tensor(values, name=f"{name}_{suffix}"))
        model.graph.register_initializer(value)
        made.append(value)
    attributes = {} if axis is None else {"axis": axis}
    node = ir.node("DequantizeLinear", made, attributes, name=f"{name}_DequantizeLinear")
    node.outputs[0].name = f"{name}_DequantizeLinear_Output"
    model.graph.insert_before(layer.node, node)
    layer.node.replace_input_with(1, node.outputs[0])
    if not layer.weight.uses():
        del model.graph.initializers[name]


def _raised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same in an operator set that has FP8."""
    opset = next((each.version for each in model.opset_import if not each.domain), 1)
    if opset >= LEAST_OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, LEAST_OPSET)
    except Exception as error:  # the converter raises whatever an operator happens to hit
        raise UnfitRecipeError(
            f"FP8 needs operator set {LEAST_OPSET}; the model has {opset} and cannot be converted: {first_line(error)}"
        ) from error
