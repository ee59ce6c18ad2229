"""Quantized tensors of an ONNX file that ONNX Runtime's quantizer wrote, and the float model that they come from.

The quantizer names what it stores after the float tensor: `NAME_scale`, `NAME_zero_point`, `NAME_quantized`. A bias has
the scale of its layer's input times that of its weight, which QOperator leaves out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.analysis.audit.added_biases import added_to, is_vector
from crossrt.analysis.audit.affine import Affine, bias_affine
from crossrt.analysis.audit.onnx_reading import read_onnx
from crossrt.analysis.audit.record import Layer, Observed, Stored
from crossrt.analysis.onnx_graph import Graph, dtype_of, inputs_of, name_of, readers, taken
from crossrt.analysis.onnx_sessions import run, session_with
from crossrt.datasets.protocol import Arrays

_SCALE, _ZERO_POINT, _QUANTIZED = "_scale", "_zero_point", "_quantized"
_LAYERS_WITH_BIAS: Final = ("Conv", "Gemm", "ConvTranspose", "LayerNormalization", "InstanceNormalization")
_LAYERS_WITH_WEIGHTS: Final = (*_LAYERS_WITH_BIAS, "MatMul", "LSTM", "Attention", "EmbedLayerNormalization")
_FLOATS: Final = (np.float16, np.float32, np.float64)

Constants = Mapping[str, NDArray[Any]]


def stored_in_onnx(quantized: Graph, original: Graph) -> list[Stored]:
    """The quantized tensors of a file, activations first."""
    found = list(_scaled(quantized, original))
    found.sort(key=lambda each: each.role)
    known = {each.name: each for each in found}
    return [*found, *_biases(quantized.constants, original, known)]


def stored_by_graph(quantized: Graph, original: Graph) -> list[Stored]:
    """The same of a file of any other quantizer: tensors that operators take, under names that the float model has."""
    return [
        dataclasses.replace(each, is_operand=_is_operand(original.values[each.name])) if each.role == "weight" else each
        for each in read_onnx(quantized)
        if each.name in original.values
    ]


def _scaled(quantized: Graph, original: Graph) -> Iterator[Stored]:
    arrays, axes = quantized.constants, _weight_axes(original)
    for name, scale in arrays.items():
        base = name.removesuffix(_SCALE)
        zero_point = arrays.get(base + _ZERO_POINT)
        if base == name or base.endswith(_QUANTIZED) or zero_point is None:
            continue
        is_constant = base in original.constants
        is_bias = is_constant and is_vector(original.constants[base].shape) and bool(added_to(original.values[base]))
        yield Stored(
            name=base,
            role="bias" if is_bias else "weight" if is_constant else "activation",
            dtype=dtype_of(quantized.values[base + _ZERO_POINT]) or "",
            affine=Affine(scale.astype(np.float32), zero_point.astype(np.int64)),
            axis=axes.get(base, 0) if is_constant and scale.size > 1 else None,
            integers=arrays.get(base + _QUANTIZED),
            is_operand=is_constant and _is_operand(original.values[base]),
        )


def _is_operand(value: ir.Value) -> bool:
    """True if no layer takes it as its weight."""
    return not any(node.op_type in _LAYERS_WITH_WEIGHTS for node in readers(value))


def _weight_axes(original: Graph) -> dict[str, int]:
    """Where the output channels of a weight lie: first for Conv, last for a matrix that is not transposed."""
    found = {}
    for node in original.nodes:
        if node.op_type == "ConvTranspose" and len(node.inputs) > 1:
            found[name_of(node.inputs[1])] = 1
        if node.op_type in ("Gemm", "MatMul") and len(node.inputs) > 1:
            transposed = node.attributes.get("transB")
            rank = len(node.inputs[1].shape) if node.inputs[1] is not None and node.inputs[1].shape is not None else 2
            found[name_of(node.inputs[1])] = 0 if transposed is not None and transposed.as_int() else rank - 1
    return found


def _biases(arrays: Constants, original: Graph, known: Mapping[str, Stored]) -> Iterator[Stored]:
    for node in original.nodes:
        if node.op_type not in _LAYERS_WITH_BIAS or len(node.inputs) < 3:
            continue
        name, weight = name_of(node.inputs[2]), known.get(name_of(node.inputs[1]))
        source = _source_of(taken(node, 0), known)
        integers = arrays.get(name + _QUANTIZED)
        if integers is None or weight is None or source is None or name in known:
            continue
        scale = arrays.get(name + _QUANTIZED + _SCALE)
        implied = bias_affine(source.affine, weight.affine)
        stored = implied if scale is None else Affine(scale.astype(np.float32), np.zeros(scale.shape, dtype=np.int64))
        yield Stored(
            name=name,
            role="bias",
            dtype="int32",
            affine=stored,
            axis=0 if stored.scale.size > 1 else None,
            integers=integers,
            source=source.name,
            weight=weight.name,
        )


def _source_of(value: ir.Value | None, known: Mapping[str, Stored]) -> Stored | None:
    """The stored activation that gives a tensor its scale: itself, a folded Relu's source, or what was passed on."""
    while value is not None and value.name not in known:
        maker = value.producer()
        value = None if maker is None else taken(maker, 0)
    return None if value is None else known[name_of(value)]


def observe_onnx(prepared: Path, calls: Iterable[Arrays], folder: Path) -> Observed:
    """Runs the float model with every activation as an output.

    Args:
        prepared: The model as the quantizer saw it.
        calls: Feeds of the calibration samples.
        folder: A scratch folder.

    Raises:
        ArtifactError: ONNX Runtime refuses the model, or fails on a sample.
    """
    graph = Graph.load(prepared)
    layers = tuple(_layers(graph))
    names = [name for layer in layers for name in layer.outputs if name]
    session = session_with(prepared, names, folder, is_optimised=False)
    lowest: dict[str, np.float32] = {}
    highest: dict[str, np.float32] = {}
    for feeds in calls:
        for name, values in run(session, names, feeds).items():
            if values.dtype in _FLOATS and values.size:
                low, high = np.float32(values.min()), np.float32(values.max())
                lowest[name] = min(lowest.get(name, low), low)
                highest[name] = max(highest.get(name, high), high)
    floats = {name: values for name, values in graph.constants.items() if values.dtype in _FLOATS}
    return Observed(
        ranges={name: (lowest[name], highest[name]) for name in lowest},
        constants={name: values.astype(np.float32) for name, values in floats.items()},
        layers=layers,
    )


def _layers(graph: Graph) -> Iterator[Layer]:
    for node in graph.nodes:
        inputs = tuple(name_of(value) for value in inputs_of(node) if value.name not in graph.constants)
        yield Layer(kind=node.op_type, inputs=inputs, outputs=tuple(name_of(value) for value in node.outputs))
