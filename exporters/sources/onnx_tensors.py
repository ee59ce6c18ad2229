"""Inputs and outputs of an ONNX graph, with a name for every dynamic dimension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx.external_data_helper import uses_external_data

from crossrt.core.tensor import Dimension, TensorSpec
from crossrt.exporters.sources.onnx_file import weights_of

BATCH = "batch"
_PLACEHOLDER = re.compile(r"unk__\d+|p2o\.DynamicDimension\.\d+|\?")
"""What tf2onnx and paddle2onnx write for dimensions without a name: another one for every tensor."""

_OTHER_DTYPES: dict[int, str] = {int(onnx.TensorProto.STRING): "str"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a graph takes and gives.

    Attributes:
        inputs: Those that must be fed.
        outputs: Those that are tensors.
        notes: What was left out.
        problem: Why it cannot be used.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    notes: tuple[str, ...] = ()
    problem: str | None = None


def signature_of(model: onnx.ModelProto) -> Signature:
    """Inputs and outputs of a graph; inputs that are initializers are defaults, and not counted."""
    graph = model.graph
    constants = {each.name for each in graph.initializer} | {each.values.name for each in graph.sparse_initializer}
    taken = [each for each in graph.input if each.name not in constants]
    tensors = [each for each in graph.output if each.type.HasField("tensor_type")]
    notes = tuple(_left_out(each) for each in graph.output if not each.type.HasField("tensor_type"))
    problems = [reason for each in taken if (reason := _input_problem(each))]
    problems += [reason for each in tensors if (reason := _dtype_problem("output", each))]
    if not tensors:
        problems.append("no output is a tensor: " + "; ".join(notes))
    if problems:
        return Signature(inputs=(), outputs=(), notes=notes, problem=problems[0])
    steps = _steps(model)
    inputs, names_batch = _named(tuple(_spec(each) for each in taken))
    outputs = tuple(_output(_spec(each), names_batch) for each in _with_shapes(model, tensors))
    outputs = tuple(replace(each, step=steps.get(each.name)) for each in outputs)
    return Signature(inputs=inputs, outputs=outputs, notes=notes)


def _left_out(value: onnx.ValueInfoProto) -> str:
    kind = value.type.WhichOneof("value") or "unknown"
    what = {"sequence_type": "a sequence", "map_type": "a map", "optional_type": "optional"}.get(kind, kind)
    advice = ""
    if kind == "sequence_type" and value.type.sequence_type.elem_type.HasField("map_type"):
        what, advice = "a sequence of maps (ZipMap)", ": convert with options={'zipmap': False} to have it as a tensor"
    return f"the output {value.name} is {what}, not a tensor, and is left out{advice}"


def _input_problem(value: onnx.ValueInfoProto) -> str | None:
    kind = value.type.WhichOneof("value")
    if kind == "optional_type" and value.type.optional_type.elem_type.HasField("tensor_type"):
        return f"the input {value.name} is optional: export the model with a plain tensor for it, or without it"
    if kind != "tensor_type":
        return f"the input {value.name} is not a tensor but {(kind or 'nothing known').replace('_type', '')}"
    if not value.type.tensor_type.HasField("shape"):
        return (
            f"the input {value.name} has no shape, not even a number of dimensions: export the model with input shapes"
        )
    dimensions = value.type.tensor_type.shape.dim
    if dimensions and _dimension(dimensions[0]) == 0:
        return (
            f"the input {value.name} has the size 0 along its first axis, so that no sample fits in: export the model"
            " with a named dimension there"
        )
    return _dtype_problem("input", value)


def _dtype_problem(what: str, value: onnx.ValueInfoProto) -> str | None:
    number = value.type.tensor_type.elem_type
    if number in _OTHER_DTYPES:
        return None
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number))
        if dtype.kind in "biuf" and dtype.isbuiltin == 1:
            return None
    except KeyError:
        pass
    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return f"the {what} {value.name} is {name}, which numpy does not have: export the model with a float32 {what}"


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = _OTHER_DTYPES.get(tensor.elem_type) or str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if not tensor.HasField("shape"):
        return TensorSpec(name=value.name, dtype=dtype, shape=(None,))
    return TensorSpec(name=value.name, dtype=dtype, shape=tuple(_dimension(dim) for dim in tensor.shape.dim))


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> Dimension:
    """A size, a name of its own, or None for a dynamic dimension without one; converters write -1 for that.

    A size of 0 is one: ONNX Runtime takes nothing else there.
    """
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    name = str(dim.dim_param) if dim.HasField("dim_param") else ""
    return None if not name or _PLACEHOLDER.fullmatch(name) else name


def _named(inputs: tuple[TensorSpec, ...]) -> tuple[tuple[TensorSpec, ...], bool]:
    """Names dimensions without a name; True where axis 0 of all inputs had none, so that it is the batch."""
    shaped = [each for each in inputs if each.shape]
    is_batch = bool(shaped) and all(each.shape[0] is None for each in shaped)
    return tuple(_fill(each, is_batch) for each in inputs), is_batch


def _output(spec: TensorSpec, names_batch: bool) -> TensorSpec:
    return spec if spec.shape == (None,) and not names_batch else _fill(spec, names_batch)


def _fill(spec: TensorSpec, is_batch: bool) -> TensorSpec:
    shape = tuple(
        (BATCH if axis == 0 and is_batch else f"{spec.name}[{axis}]") if size is None else size
        for axis, size in enumerate(spec.shape)
    )
    return replace(spec, shape=shape)


def _with_shapes(model: onnx.ModelProto, outputs: list[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    """Outputs with inferred shapes, where the file does not say them."""
    if all(each.type.tensor_type.HasField("shape") for each in outputs) or model.ByteSize() > 2**28:
        return outputs
    try:
        inferred = {each.name: each for each in onnx.shape_inference.infer_shapes(model).graph.output}
    except Exception:  # an aid: whatever the native code raises, the shape stays unknown
        return outputs
    return [inferred[each.name] if inferred[each.name].type.HasField("tensor_type") else each for each in outputs]


def _steps(model: onnx.ModelProto) -> Mapping[str, float]:
    """Scale of the integers behind each output that a DequantizeLinear makes from them."""
    names = {each.name for each in model.graph.output}
    makers = [node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.output[0] in names]
    if not makers:
        return {}
    scales = {each.name: each for each in weights_of(model) if not uses_external_data(each)}
    found: dict[str, float] = {}
    for node in makers:
        scale = scales.get(node.input[1])
        if scale is not None and int(np.prod(scale.dims, dtype=np.int64)) == 1:
            found[node.output[0]] = float(onnx.numpy_helper.to_array(scale).item())
    return found
