"""Biases that an Add behind a MatMul adds: a quantizer that sees no Gemm gives them the type of activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.layers import Array, Layer, array, is_constant, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedBias:
    """A constant with one value for each output of a MatMul.

    Attributes:
        value: The constant: floats, or integers of a QDQ file.
        scale: What one of its integers stands for, 1 for floats.
        zero_point: The integer that stands for 0, 0 for floats.
        parameters: The constants that hold the scale and the zero point, where nothing else reads them.
        sums: Integers to which the MatMul's result is quantized before it is added; None where it is not.
        sums_scale: What one of them stands for.
        sums_zero_point: The one that stands for 0.
    """

    value: ir.Value
    scale: float = 1.0
    zero_point: int = 0
    parameters: tuple[ir.Value, ir.Value] | None = None
    sums: ir.Value | None = None
    sums_scale: float = 1.0
    sums_zero_point: int = 0

    @property
    def values(self) -> Array:
        """What is added, `(outputs,)`, float64."""
        return (array(self.value).astype(np.float64).reshape(-1) - self.zero_point) * self.scale

    def shift(self, wanted: Array) -> bool:
        """Stores the nearest to other values, `(outputs,)`; whether anything changes.

        Where they leave the range of the integers, that is widened (Jacob et al. 2018, equation 1).
        """
        before = array(self.value)
        if before.dtype.kind == "f":
            return self._store(wanted)
        limits = np.iinfo(before.dtype)
        codes = np.rint(wanted / self.scale) + self.zero_point
        if self.parameters is not None and (codes.min() < limits.min or codes.max() > limits.max):
            low, high = min(wanted.min(), 0.0), max(wanted.max(), 0.0)
            scale = np.float32((high - low) / (limits.max - limits.min))
            zero_point = np.rint(limits.min - low / scale)
            codes = np.rint(wanted / scale) + zero_point
            for value, number in zip(self.parameters, (scale, zero_point), strict=True):
                replace(value, np.full(array(value).shape, number))
        return self._store(np.clip(codes, limits.min, limits.max))

    def _store(self, values: Array) -> bool:
        before = array(self.value)
        after = values.reshape(before.shape).astype(before.dtype)
        replace(self.value, after)
        return bool((after != before).any())


def added_bias(layer: Layer) -> AddedBias | None:
    """What is added to the result of a MatMul and to nothing else; None where that is not a constant of its own."""
    result = layer.node.outputs[0]
    if layer.node.op_type != "MatMul" or (add := _reader(result)) is None:
        return None
    sums: dict[str, Any] = {}
    if add.op_type == "QuantizeLinear":
        integers, parameters = add.outputs[0], _parameters(add)
        back = _reader(integers)
        if parameters is None or back is None or back.op_type != "DequantizeLinear":
            return None
        result, sums_scale, sums_zero_point = back.outputs[0], *parameters
        sums = {"sums": integers, "sums_scale": sums_scale, "sums_zero_point": sums_zero_point}
        add = _reader(result)
    if add is None or add.op_type != "Add":
        return None
    other = next((each for each in add.inputs if each is not result), None)
    channels = layer.values.shape[layer.output_axis]
    return next((AddedBias(**each, **sums) for each in _constants(other, channels)), None)


def _constants(value: ir.Value | None, channels: int) -> Iterator[dict[str, Any]]:
    """A constant that nothing else reads, with one value for each channel on its last axis."""
    maker = None if value is None or is_constant(value) else value.producer()
    found: dict[str, Any] = {"value": value}
    if maker is not None:
        parameters = _parameters(maker) if maker.op_type == "DequantizeLinear" else None
        if parameters is None or len(maker.outputs[0].uses()) > 1:
            return
        found = {"value": maker.inputs[0], "scale": parameters[0], "zero_point": parameters[1]}
        own = [each for each in maker.inputs[1:3] if each is not None and len(each.uses()) == 1]
        found["parameters"] = tuple(own) if len(own) == 2 else None
    constant = found["value"]
    if not isinstance(constant, ir.Value) or not is_constant(constant) or len(constant.uses()) > 1:
        return
    shape = array(constant).shape
    if shape and shape[-1] == channels == int(np.prod(shape)):
        yield found


def _parameters(node: ir.Node) -> tuple[float, int] | None:
    """Scale and zero point of a conversion, or None where there is more than one, or they are computed."""
    scale, zero_point = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    if not is_constant(scale) or array(scale).size != 1 or (zero_point is not None and not is_constant(zero_point)):
        return None
    return float(array(scale).reshape(())), 0 if zero_point is None else int(array(zero_point).reshape(()))


def _reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads a tensor."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None
