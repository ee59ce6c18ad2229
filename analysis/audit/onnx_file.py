"""Quantized tensors of an ONNX file, and the float32 model that they come from.

ONNX Runtime's quantizer names what it stores after the float32 tensor: `NAME_scale`, `NAME_zero_point`,
`NAME_quantized`. A bias has the scale of its layer's input times that of its weight, which QOperator leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from crossrt.analysis.audit.affine import Affine, bias_affine
from crossrt.analysis.audit.record import Layer, Observed, Stored
from crossrt.exporters.ort.calibrate import batches

_SCALE, _ZERO_POINT, _QUANTIZED = "_scale", "_zero_point", "_quantized"
_LAYERS_WITH_BIAS = ("Conv", "Gemm", "ConvTranspose")


def stored_in_onnx(path: Path, float_model: onnx.ModelProto) -> list[Stored]:
    """The quantized tensors of a file, activations first."""
    graph = onnx.load(path).graph
    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    types = {each.name: onnx.TensorProto.DataType.Name(each.data_type).lower() for each in graph.initializer}
    constants = {each.name for each in float_model.graph.initializer}
    found = list(_scaled(arrays, types, constants, _weight_axes(float_model)))
    found.sort(key=lambda each: each.role)
    known = {each.name: each for each in found}
    return [*found, *_biases(arrays, float_model, known)]


def _scaled(
    arrays: dict[str, NDArray[np.generic]], types: dict[str, str], constants: set[str], axes: dict[str, int]
) -> Iterator[Stored]:
    for name, scale in arrays.items():
        base = name.removesuffix(_SCALE)
        zero_point = arrays.get(base + _ZERO_POINT)
        if base == name or base.endswith(_QUANTIZED) or zero_point is None:
            continue
        is_weight = base in constants
        yield Stored(
            name=base,
            role="weight" if is_weight else "activation",
            dtype=types[base + _ZERO_POINT],
            affine=Affine(scale.astype(np.float32), zero_point.astype(np.int64)),
            axis=axes.get(base, 0) if is_weight and scale.size > 1 else None,
            integers=arrays.get(base + _QUANTIZED),
        )


def _weight_axes(model: onnx.ModelProto) -> dict[str, int]:
    """Where the output channels of a weight lie: first for Conv, last for a matrix that is not transposed."""
    found = {}
    for node in model.graph.node:
        if node.op_type in ("Gemm", "MatMul") and len(node.input) > 1:
            is_transposed = any(each.name == "transB" and each.i for each in node.attribute)
            found[node.input[1]] = 0 if is_transposed else 1
    return found


def _biases(
    arrays: dict[str, NDArray[np.generic]], model: onnx.ModelProto, known: dict[str, Stored]
) -> Iterator[Stored]:
    for node in model.graph.node:
        if node.op_type not in _LAYERS_WITH_BIAS or len(node.input) < 3:
            continue
        name, weight = node.input[2], known.get(node.input[1])
        source = _source_of(node.input[0], model, known)
        integers = arrays.get(name + _QUANTIZED)
        if integers is None or weight is None or source is None:
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


def _source_of(name: str, model: onnx.ModelProto, known: dict[str, Stored]) -> Stored | None:
    """The stored activation that gives a tensor its scale: itself, a folded Relu's source, or what was passed on."""
    makers = {output: node for node in model.graph.node for output in node.output}
    while name not in known:
        maker = makers.get(name)
        if maker is None or not maker.input:
            return None
        name = maker.input[0]
    return known[name]


def observe_onnx(prepared: Path, digits: NDArray[np.float32]) -> Observed:
    """Runs the float32 model with every activation as an output.

    Args:
        prepared: The model as the quantizer saw it.
        digits: Calibration digits, float32 `(count, 28, 28, 1)`.
    """
    model = onnx.load(prepared)
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    layers = tuple(_layers(model.graph.node, constants))
    known = {output.name for output in model.graph.output}
    wanted = [name for layer in layers for name in layer.outputs if name not in known]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    lowest: dict[str, np.float32] = {}
    highest: dict[str, np.float32] = {}
    for feed in batches(digits):
        for name, values in (*zip(names, session.run(None, feed), strict=True), *feed.items()):
            if values.dtype == np.float32:
                lowest[name] = min(lowest.get(name, values.min()), values.min())
                highest[name] = max(highest.get(name, values.max()), values.max())
    return Observed(ranges={name: (lowest[name], highest[name]) for name in lowest}, constants=constants, layers=layers)


def _layers(nodes: Iterable[onnx.NodeProto], constants: dict[str, NDArray[np.float32]]) -> Iterator[Layer]:
    for node in nodes:
        inputs = tuple(name for name in node.input if name and name not in constants)
        yield Layer(kind=node.op_type, inputs=inputs, outputs=tuple(node.output))
