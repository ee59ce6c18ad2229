"""A frozen network as ONNX with QuantizeLinear and DequantizeLinear around every operator, written node by node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, first_line
from crossrt.exporters.training.qat.frozen import Frozen, FrozenStep, FrozenWeights
from crossrt.exporters.training.qat.graph import (
    Concatenation,
    Convolution,
    Dense,
    Final,
    GlobalPool,
    Input,
    Island,
    Leaky,
    Pad,
    Pair,
    Pool,
    Reshape,
    Scaling,
    Step,
    Sum,
)
from crossrt.exporters.training.qat.grid import LOWEST, Affine
from crossrt.exporters.training.qat.scales.float_layers import layer_as_onnx

OPSET = 18
IR_VERSION = 10
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_IMAGE = 3
"""Axes of an image without the batch: only such tensors have their channels first in ONNX."""


def write_onnx(frozen: Frozen, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], path: Path) -> None:
    """Writes the file; inputs and outputs stay as they are, channels last.

    Raises:
        ExportError: What came of it is not valid.
    """
    model = _Writer(frozen, inputs, outputs).write()
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the ONNX file is not valid: {first_line(error)}") from error
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Writer:
    def __init__(self, frozen: Frozen, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        self._frozen, self._inputs, self._outputs = frozen, inputs, outputs
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._real: dict[str, str] = {}

    def write(self) -> onnx.ModelProto:
        for each in self._frozen.steps.values():
            self._add(each)
        self._finish()
        graph = helper.make_graph(
            self._nodes,
            "crossrt-qat",
            [_value(each) for each in self._inputs],
            [_value(each) for each in self._outputs],
            list(self._constants.values()),
        )
        return helper.make_model(
            graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="crossrt"
        )

    def _finish(self) -> None:
        """The outputs under their names, channels last."""
        ends = [self._frozen.steps[name].step for name in self._frozen.outputs]
        for spec, last in zip(self._outputs, ends, strict=True):
            end = self._real[last.name]
            if len(last.shape) == _IMAGE:
                self._node("Transpose", [end], spec.name, perm=_TO_CHANNELS_LAST)
            elif end in [each.name for each in self._outputs]:  # given twice
                self._node("Identity", [end], spec.name)
            else:
                self._rename(end, spec.name)
                self._real[last.name] = spec.name

    def _rename(self, end: str, name: str) -> None:
        for node in self._nodes:
            node.output[:] = [name if each == end else each for each in node.output]
            node.input[:] = [name if each == end else each for each in node.input]

    def _add(self, each: FrozenStep) -> None:
        step = each.step
        name = f"{step.name}/output"
        taken = [self._real[source] for source in step.inputs]
        relu = None if step.relu is None else f"{step.name}/before_relu"
        self._compute(each, taken, relu or name)
        if relu is not None:
            self._node("Relu", [relu], name)
        self._real[step.name] = name if each.affine is None else self._quantized(name, each.affine)

    def _quantized(self, name: str, affine: Affine) -> str:
        """A tensor behind a QuantizeLinear and a DequantizeLinear.

        The integers are uint8, 128 more than the int8 of TFLite: ONNX Runtime has more kernels for them.
        """
        scale = self._constant(f"{name}_scale", np.float32(affine.scale))
        zero_point = self._constant(f"{name}_zero_point", np.uint8(affine.zero_point - LOWEST))
        self._node("QuantizeLinear", [name, scale, zero_point], f"{name}_quantized")
        return self._node("DequantizeLinear", [f"{name}_quantized", scale, zero_point], f"{name}_real")

    def _compute(self, each: FrozenStep, taken: list[str], out: str) -> None:
        step = each.step
        match step.op:
            case Input():
                self._input(step, step.op, out)
            case Convolution() | Dense():
                assert each.weights is not None
                self._weighted(step, each.weights, taken[0], out)
            case Scaling():
                self._scaling(step, step.op, taken[0], out)
            case Sum():
                self._node("Add", taken, out)
            case Concatenation():
                self._node("Concat", taken, out, axis=_axis(step.op.axis, len(step.shape)))
            case Pool():
                self._pool(step, step.op, taken[0], out)
            case GlobalPool():
                self._global_pool(each, step.op, taken[0], out)
            case Reshape():
                self._reshape(each, taken[0], out)
            case Pad():
                (top, bottom), (left, right) = step.op.height, step.op.width
                pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
                self._node("Pad", [taken[0], self._constant(f"{out}_pads", pads)], out)
            case Leaky():
                self._node("LeakyRelu", taken, out, alpha=step.op.slope)
            case Final():
                self._final(step, step.op, taken[0], out)
            case Island():
                self._island(step, step.op, taken, out)
            case _:
                self._node("Identity", taken, out)

    def _input(self, step: Step, op: Input, out: str) -> None:
        name = self._inputs[op.place].name
        if op.dtype != "float32":
            name = self._node("Cast", [name], f"{out}_float", to=TensorProto.FLOAT)
        if len(step.shape) == _IMAGE:
            self._node("Transpose", [name], out, perm=_TO_CHANNELS_FIRST)
        else:
            self._node("Identity", [name], out)

    def _weighted(self, step: Step, weights: FrozenWeights, taken: str, out: str) -> None:
        source = self._frozen.source(step).affine
        assert source is not None
        integers, op = weights.integers, step.op
        if isinstance(op, Dense):
            integers = integers.T
        elif isinstance(op, Convolution) and op.is_depthwise:
            integers = integers.transpose(2, 0, 1)[:, np.newaxis]
        else:
            integers = integers.transpose(3, 2, 0, 1)
        kernel = self._dequantized(f"{step.name}/kernel", np.ascontiguousarray(integers), weights.scales)
        bias = self._dequantized(f"{step.name}/bias", weights.bias, weights.bias_scales(source))
        if isinstance(op, Dense):
            self._node("Gemm", [taken, kernel, bias], out, transB=1)
        elif isinstance(op, Convolution):
            shape = self._frozen.source(step).step.shape
            pads = _pads(op.padding, shape, op.kernel.shape, op.strides, op.dilation)
            groups = shape[-1] if op.is_depthwise else shape[-1] // op.kernel.shape[2]
            attributes = {"strides": op.strides, "pads": pads, "dilations": op.dilation, "group": groups}
            self._node("Conv", [taken, kernel, bias], out, kernel_shape=op.kernel.shape[:2], **attributes)

    def _dequantized(self, name: str, integers: np.ndarray[Any, Any], scales: np.ndarray[Any, Any]) -> str:
        zeros = np.zeros(scales.shape, integers.dtype)
        parts = [
            self._constant(f"{name}_quantized", integers),
            self._constant(f"{name}_scale", scales),
            self._constant(f"{name}_zero_point", zeros),
        ]
        return self._node("DequantizeLinear", parts, name, axis=0)

    def _scaling(self, step: Step, op: Scaling, taken: str, out: str) -> None:
        shape = (-1, 1, 1) if len(step.shape) == _IMAGE else (-1,)
        factor = self._constant(f"{step.name}/factor", op.factor.reshape(shape))
        offset = self._constant(f"{step.name}/offset", op.offset.reshape(shape))
        self._node("Add", [self._node("Mul", [taken, factor], f"{out}_scaled"), offset], out)

    def _pool(self, step: Step, op: Pool, taken: str, out: str) -> None:
        pads = _pads(op.padding, self._frozen.source(step).step.shape, op.size, op.strides, (1, 1))
        kind = "MaxPool" if op.kind == "max" else "AveragePool"
        self._node(kind, [taken], out, kernel_shape=op.size, strides=op.strides, pads=pads)

    def _global_pool(self, each: FrozenStep, op: GlobalPool, taken: str, out: str) -> None:
        kind = "GlobalMaxPool" if op.kind == "max" else "GlobalAveragePool"
        if op.keeps_axes:
            self._node(kind, [taken], out)
            return
        assert each.affine is not None
        pooled = self._quantized(self._node(kind, [taken], f"{out}_pooled"), each.affine)
        self._node("Flatten", [pooled], out, axis=1)

    def _reshape(self, each: FrozenStep, taken: str, out: str) -> None:
        """Between images, channels come last first: that is the order in which Keras reshapes."""
        before, after = self._frozen.source(each.step).step.shape, each.step.shape
        if len(before) == _IMAGE and before[:2] != (1, 1):
            taken = self._node("Transpose", [taken], f"{out}_last", perm=_TO_CHANNELS_LAST)
            taken = taken if each.affine is None else self._quantized(taken, each.affine)
        shape = self._constant(f"{out}_shape", np.array([-1, *after], np.int64))
        if len(after) != _IMAGE:
            self._node("Reshape", [taken, shape], out)
            return
        taken = self._node("Reshape", [taken, shape], f"{out}_reshaped")
        taken = taken if each.affine is None else self._quantized(taken, each.affine)
        self._node("Transpose", [taken], out, perm=_TO_CHANNELS_FIRST)

    def _final(self, step: Step, op: Final, taken: str, out: str) -> None:
        if op.kind == "softmax":
            self._node("Softmax", [taken], out, axis=1 if len(step.shape) == _IMAGE else -1)
        else:
            self._node("Sigmoid" if op.kind == "sigmoid" else "Tanh", [taken], out)

    def _island(self, step: Step, op: Island, taken: list[str], out: str) -> None:
        """The nodes of a layer that stays in float, channels last."""
        shapes = [self._frozen.steps[source].step.shape for source in step.inputs]
        model = onnx.compose.add_prefix(layer_as_onnx(op.layer, shapes), f"{out}/")
        names = {}
        for place, value in enumerate(model.graph.input):
            names[value.name] = taken[place]
            if len(shapes[place]) == _IMAGE:
                last = f"{out}_last_{place}"
                names[value.name] = self._node("Transpose", [taken[place]], last, perm=_TO_CHANNELS_LAST)
        names[model.graph.output[0].name] = f"{out}_first" if len(step.shape) == _IMAGE else out
        for node in model.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            self._nodes.append(node)
        self._constants |= {each.name: each for each in model.graph.initializer}
        if len(step.shape) == _IMAGE:
            self._node("Transpose", [f"{out}_first"], out, perm=_TO_CHANNELS_FIRST)

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=f"{output}_{kind}", **attributes))
        return output

    def _constant(self, name: str, values: Any) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name


def _value(spec: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(spec.name, _element_type(spec.dtype), list(spec.shape))


def _element_type(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _axis(axis: int, rank: int) -> int:
    """An axis counted with the batch, where channels stand."""
    return {1: 2, 2: 3, 3: 1}[axis] if rank == _IMAGE else axis


def _pads(padding: str, shape: tuple[int, ...], kernel: Sequence[int], strides: Pair, dilation: Pair) -> list[int]:
    """Zeros around an image as TensorFlow adds them: the odd one at the end."""
    if padding == "valid":
        return [0, 0, 0, 0]
    begins, ends = [], []
    for size, length, stride, apart in zip(shape[:2], kernel[:2], strides, dilation, strict=True):
        reach = (length - 1) * apart + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        begins.append(total // 2)
        ends.append(total - total // 2)
    return [*begins, *ends]
