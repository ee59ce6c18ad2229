"""Peak memory of the activations of an ONNX file, for one sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np
import onnx

from crossrt.core.tensor import Batching
from crossrt.exporters.sources.activation_memory import Peak, Step, activation_peak
from crossrt.exporters.sources.onnx_weights import BITS, dtype_name

_SHARING: Final = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"))
_IN_PLACE: Final = frozenset(
    ("Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu", "BatchNormalization")
)
"""Operators that are fused, or write over what they take, where nobody else reads it."""
_LARGEST_KEPT: Final = 1024
"""Elements up to which constants may be shapes, whose values shape inference needs."""
_PLAIN: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearSigmoid": ("Identity", (0,)),
    "QLinearLeakyRelu": ("Identity", (0,)),
    "QLinearSoftmax": ("Identity", (0,)),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,)),
    "QLinearAveragePool": ("AveragePool", (0,)),
    "QGemm": ("Gemm", (0, 3)),
    "DynamicQuantizeMatMul": ("MatMul", (0, 1)),
    "MatMulIntegerToFloat": ("MatMul", (0, 1)),
}
"""Operators of ONNX Runtime's own whose results have the shape of a standard operator over some of their inputs."""
_OWN_ATTRIBUTES: Final = ("alpha", "channels_last", "zero_point")
_CONVERSIONS: Final = ("QuantizeLinear", "DequantizeLinear")
_WIDE_OPSET: Final = 21
"""The first whose conversions take what those of ONNX Runtime's own domain do."""
_EIGHT_BITS: Final = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


def onnx_activation_peak(model: onnx.ModelProto, batching: Batching) -> Peak | None:
    """The peak, or None where shapes depend on more than the number of samples, or cannot be inferred.

    Conversions to and from 8 bits count as part of the operators beside them, as where integer kernels run: between two
    of those only the integers are kept, whatever activation function stands before the conversion.

    Args:
        model: The file; it is not changed.
        batching: How samples lie in the inputs.
    """
    graph = model.graph
    nodes = _in_order(graph)
    constants = {each.name for each in graph.initializer} | {
        name for node in nodes if node.op_type == "Constant" for name in node.output
    }
    known = _shapes(model, nodes, batching)
    if known is None:
        return None
    steps = list(_steps(graph, nodes, constants))
    made = {name for step in steps for name in step.outputs}
    inputs = [each.name for each in graph.input if each.name not in constants]
    if any(name not in known for name in (*inputs, *made)):
        return None
    sizes = {name: _bytes(*known[name]) for name in (*inputs, *made)}
    fused = _through_in_place(steps, {name: each for name, each in _fused(graph, known) if each in sizes}, graph)
    return activation_peak(steps, sizes, inputs, [each.name for each in graph.output], fused)


Shapes = dict[str, tuple[int, tuple[int, ...]]]


def inferred_shapes(model: onnx.ModelProto, batching: Batching, dimensions: Mapping[str, int]) -> Shapes | None:
    """Element type and shape of each tensor for one sample, as far as all of it is known; None where inference fails.

    Args:
        model: The file; it is not changed.
        batching: How samples lie in the inputs.
        dimensions: Sizes of other dynamic dimensions.
    """
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for each in bound.graph.input:
        for dim in each.type.tensor_type.shape.dim:
            if dim.dim_param in dimensions:
                dim.dim_value = dimensions[dim.dim_param]
    return _shapes(bound, _in_order(bound.graph), batching)


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes behind those whose results they read: some tools append nodes where they are not due."""
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    before = {number: {makers[name] for name in node.input if name in makers} for number, node in enumerate(graph.node)}
    try:
        return [graph.node[number] for number in TopologicalSorter(before).static_order()]
    except CycleError:
        return list(graph.node)


def _shapes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], batching: Batching) -> Shapes | None:
    try:
        inferred = onnx.shape_inference.infer_shapes(_skeleton(model, nodes, batching), data_prop=True).graph
    except Exception:  # the inference raises whatever an odd graph happens to hit
        return None
    found: Shapes = {}
    for each in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = each.type.tensor_type
        sizes = [dim.dim_value for dim in tensor.shape.dim if dim.HasField("dim_value")]
        if tensor.HasField("shape") and len(sizes) == len(tensor.shape.dim):
            found[each.name] = (tensor.elem_type, tuple(sizes))
    return found


def _skeleton(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], batching: Batching) -> onnx.ModelProto:
    """The graph for one sample, without large constants, with operators that shape inference knows."""
    result = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    result.functions.extend(model.functions)
    graph = result.graph
    graph.name = "skeleton"
    for each in model.graph.initializer:
        if int(np.prod(each.dims, dtype=np.int64)) <= _LARGEST_KEPT and not each.external_data:
            graph.initializer.append(each)
        else:
            graph.input.append(onnx.helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)))
    large = {each.name for each in graph.input}
    for each in model.graph.input:
        if each.name not in large:
            graph.input.append(each)
            for dim in graph.input[-1].type.tensor_type.shape.dim:
                if batching.dimension is not None and dim.dim_param == batching.dimension:
                    dim.dim_value = 1
    for each in model.graph.output:
        graph.output.append(onnx.ValueInfoProto(name=each.name))
        graph.output[-1].type.tensor_type.elem_type = each.type.tensor_type.elem_type
    if any(node.op_type in _CONVERSIONS and node.domain for node in nodes):
        for each in result.opset_import:
            each.version = max(each.version, _WIDE_OPSET) if not each.domain else each.version
    for node in nodes:
        if node.op_type == "MatMulNBits":
            sizes = {each.name: each.i for each in node.attribute}
            name = f"{node.output[0]}/weights"
            info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [sizes["K"], sizes["N"]])
            graph.input.append(info)
            graph.node.append(onnx.helper.make_node("MatMul", [node.input[0], name], list(node.output)))
        else:
            graph.node.append(_plain(node))
    return result


def _plain(node: onnx.NodeProto) -> onnx.NodeProto:
    """The node, or a standard one whose result has the same shape."""
    if node.op_type in _CONVERSIONS:
        return onnx.helper.make_node(node.op_type, list(node.input), list(node.output), node.name)
    if node.op_type not in _PLAIN:
        return node
    kind, places = _PLAIN[node.op_type]
    found = onnx.helper.make_node(kind, [node.input[place] for place in places], list(node.output[:1]), node.name)
    found.attribute.extend(each for each in node.attribute if kind != "Identity" and each.name not in _OWN_ATTRIBUTES)
    return found


def _steps(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], constants: set[str]) -> Iterator[Step]:
    """Nodes that compute something of what the user gives; others are computed once, while the model is loaded.

    Optional results that nobody reads take no memory.
    """
    fixed, readers = set(constants), Counter(name for node in graph.node for name in node.input)
    used = {*readers, *(each.name for each in graph.output)}
    ends = {each.name for each in (*graph.input, *graph.output)}
    for node in nodes:
        inputs = [name for name in node.input if name]
        outputs = [name for name in node.output if name]
        if inputs and fixed.issuperset(inputs):
            fixed.update(outputs)
        if not fixed.issuperset(outputs):
            yield Step(
                name=f"{node.op_type} {node.name or outputs[0]}".strip(),
                inputs=[name for name in inputs if name not in fixed],
                outputs=[name for name in outputs if name in used],
                shares=node.op_type in _SHARING
                or (node.op_type in _IN_PLACE and readers[node.input[0]] == 1 and node.input[0] not in ends),
            )


def _fused(graph: onnx.GraphProto, known: Shapes) -> Iterator[tuple[str, str]]:
    """Floats between an integer kernel and its conversions, with the integers that are stored in their place."""
    readers = Counter(name for node in graph.node for name in node.input)
    ends = {each.name for each in (*graph.input, *graph.output)}
    for node in graph.node:
        quantized = node.input[0] if node.op_type == "DequantizeLinear" else node.output[0] if node.output else ""
        is_narrow = quantized in known and known[quantized][0] in _EIGHT_BITS
        if node.op_type == "DequantizeLinear" and is_narrow and node.output[0] not in ends:
            yield node.output[0], node.input[0]
        if node.op_type == "QuantizeLinear" and is_narrow and node.input[0] not in ends and readers[node.input[0]] == 1:
            yield node.input[0], node.output[0]


def _through_in_place(steps: Sequence[Step], fused: Mapping[str, str], graph: onnx.GraphProto) -> dict[str, str]:
    """The same with what an activation overwrites before a conversion: Conv, Relu and QuantizeLinear are one kernel."""
    readers = Counter(name for node in graph.node for name in node.input)
    ends = {each.name for each in (*graph.input, *graph.output)}
    found = dict(fused)
    for step in reversed(steps):
        if step.shares and step.outputs[0] in found and readers[step.inputs[0]] == 1 and step.inputs[0] not in ends:
            found.setdefault(step.inputs[0], found[step.outputs[0]])
    return found


def _bytes(elem_type: int, shape: tuple[int, ...]) -> int:
    count = int(np.prod(shape, dtype=np.int64))
    name = dtype_name(onnx.TensorProto(data_type=elem_type)) if elem_type else "float32"
    if name in BITS:
        return -(-count * BITS[name] // 8)
    try:
        return count * int(onnx.helper.tensor_dtype_to_np_dtype(elem_type).itemsize)
    except (KeyError, TypeError):
        return 0
