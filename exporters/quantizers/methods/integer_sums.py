"""The sums of products of one layer, by the integer kernels that a quantized file runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from crossrt.exporters.quantizers.methods.layers import Array, Layer, array, is_constant

_OPSET: Final = 13
_IR: Final = 8
_TYPES: Final = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8}
_NARROW: Final = ("int4", "uint4")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedInput:
    """What a layer of a QDQ file takes.

    Attributes:
        integers: The tensor of integers.
        dtype: Their type, in numpy's words.
        scale: Its scale.
        zero_point: Its zero point.
    """

    integers: ir.Value
    dtype: str
    scale: float
    zero_point: int

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.integers.name or ""

    def dequantize(self, values: Array) -> Array:
        """The values that integers stand for, float32."""
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


def input_of(layer: Layer) -> QuantizedInput | None:
    """What a layer takes, or None where that is not one tensor of integers with one scale."""
    source = layer.node.inputs[0]
    maker = None if source is None else source.producer()
    if maker is None or maker.op_type != "DequantizeLinear" or len(maker.inputs) < 3:
        return None
    integers, scale, zero_point = maker.inputs[:3]
    if integers is None or not (is_constant(scale) and is_constant(zero_point)) or array(scale).size != 1:
        return None
    return QuantizedInput(
        integers=integers,
        dtype=str(array(zero_point).dtype),
        scale=float(array(scale).reshape(())),
        zero_point=int(array(zero_point).reshape(())),
    )


class IntegerSums:
    """ConvInteger or MatMulInteger over the integers of one layer; sums in float for types that they do not take."""

    def __init__(self, layer: Layer, source: QuantizedInput) -> None:
        """The layer must be a quantized one; `source` is what `input_of` says of it."""
        assert layer.scale is not None
        assert layer.zero_point is not None
        self.steps = source.scale * layer.scale.astype(np.float64).reshape(-1)
        """What one step of the sums stands for, `(1,)` or `(channels,)`."""
        self._source = source
        weights, zero_point = layer.values, layer.zero_point
        weights = weights.astype(np.int8) if str(weights.dtype) in _NARROW else weights
        self._is_integer = str(weights.dtype) in _TYPES and source.dtype in _TYPES and np.unique(zero_point).size == 1
        if not self._is_integer:
            centred = layer.matrices(weights.astype(np.float32)) - layer.by_output(zero_point)
            weights = layer.from_matrices(centred.astype(np.float32))
        model = _model(layer, weights, source, zero_point, is_integer=self._is_integer)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        content = model.SerializeToString()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def of(self, integers: Array) -> Array:
        """Sums of `(integer - zero point) * (weight - zero point)`, channels on axis 1."""
        taken = integers if self._is_integer else integers.astype(np.float32) - np.float32(self._source.zero_point)
        found: Array = self._session.run(["sums"], {"x": taken})[0]
        return found


def _model(
    layer: Layer, weights: Array, source: QuantizedInput, zero_point: Array, *, is_integer: bool
) -> onnx.ModelProto:
    """A model of the one operator."""
    is_conv = layer.node.op_type == "Conv"
    if not is_conv and layer.output_axis == 0:
        weights = weights.T
    constants, attributes = {"w": np.ascontiguousarray(weights)}, _attributes(layer.node) if is_conv else {}
    if is_integer:
        constants["xz"] = np.asarray(source.zero_point, source.dtype)
        constants["wz"] = np.asarray(zero_point.reshape(-1)[0], weights.dtype)
    kind = f"{'Conv' if is_conv else 'MatMul'}{'Integer' if is_integer else ''}"
    node = helper.make_node(kind, ["x", *constants], ["sums"], **attributes)
    taken = _TYPES[source.dtype] if is_integer else TensorProto.FLOAT
    graph = helper.make_graph(
        [node],
        "sums",
        [helper.make_tensor_value_info("x", taken, None)],
        [helper.make_tensor_value_info("sums", TensorProto.INT32 if is_integer else TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, ir_version=_IR, opset_imports=[helper.make_opsetid("", _OPSET)])


def _attributes(node: ir.Node) -> dict[str, Any]:
    return {name: each.value for name, each in node.attributes.items()}
