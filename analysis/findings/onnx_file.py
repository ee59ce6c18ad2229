"""Reads any ONNX file for the checks: QDQ, integer operators, dynamic, in blocks, or float."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine, widened_codes
from crossrt.analysis.audit.onnx_reading import name_behind, plain_name, read_onnx, real_name
from crossrt.analysis.audit.record import Stored
from crossrt.analysis.findings.onnx_blocks import BLOCKS, in_blocks
from crossrt.analysis.findings.quantized_file import Constant, Layer, Operator, QuantizedFile
from crossrt.analysis.onnx_graph import DEQUANTIZE, QUANTIZE, Graph, constant, dtype_of, name_of, readers, taken
from crossrt.exporters.sources.onnx_inspection import KNOWN_DOMAINS

_LAYERS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_QUANTIZED: Final[Mapping[str, tuple[int, int | None]]] = {
    "QLinearConv": (3, 8),
    "QGemm": (3, 6),
    "QLinearMatMul": (3, None),
}
"""Places of weights and bias among the inputs of operators over integers."""
_DYNAMIC: Final[Mapping[str, tuple[int, int, int]]] = {
    "ConvInteger": (1, -1, 3),
    "MatMulInteger": (1, -1, 3),
    "DynamicQuantizeMatMul": (1, 2, 3),
    "MatMulIntegerToFloat": (1, 3, 5),
}
"""Places of weights, their scale and zero point; a scale at -1 is multiplied behind the operator."""
_PARAMETERS: Final[Mapping[str, slice]] = {
    QUANTIZE: slice(1, 3),
    DEQUANTIZE: slice(1, 3),
    "MatMulNBits": slice(2, 5),
    "GatherBlockQuantized": slice(2, 4),
    "DynamicQuantizeMatMul": slice(2, 4),
    "MatMulIntegerToFloat": slice(2, 6),
    "DynamicQuantizeLSTM": slice(8, 12),
}
_FUSABLE: Final = ("Relu", "Clip", "LeakyRelu")


def read_onnx_file(path: Path) -> QuantizedFile:
    """Reads a file.

    Raises:
        ArtifactError: It is damaged.
    """
    graph = Graph.load(path)
    stored = read_onnx(graph)
    layers = list(_layers(graph, {(each.role, each.name): each for each in stored}))
    return QuantizedFile(
        name=path.name,
        format="onnx",
        stored=_with_layers(stored, layers),
        layers=layers,
        constants=list(_constants(graph)),
        operators=[_operator(node) for node in graph.nodes],
        floats={name: values for name, values in graph.constants.items() if values.dtype.kind == "f"},
        outputs=tuple(graph.outputs),
        graph=graph,
        path=path,
        custom=tuple(sorted({f"{node.domain}:{node.op_type}" for node in _foreign(graph)})),
    )


def _foreign(graph: Graph) -> list[ir.Node]:
    """Nodes of domains that no runtime knows; those that the file defines as functions count as known."""
    unknown = (node for node in graph.nodes if node.domain not in KNOWN_DOMAINS)
    return [node for node in unknown if (node.domain, node.op_type) not in graph.functions]


def _with_layers(stored: list[Stored], layers: list[Layer]) -> list[Stored]:
    """All tensors with scales: those that conversions name, and weights whose scale lies elsewhere."""
    known = {(each.role, each.name) for each in stored}
    added = {each.weight.name: each.weight for each in layers if each.weight is not None}
    found = [*stored, *(each for name, each in added.items() if ("weight", name) not in known)]
    return sorted(found, key=lambda each: ("activation", "weight", "bias").index(each.role))


def _operator(node: ir.Node) -> Operator:
    return Operator(
        name=node.name or name_of(node.outputs[0]),
        kind=node.op_type,
        inputs=tuple(map(name_of, node.inputs)),
        outputs=tuple(map(name_of, node.outputs)),
    )


def _layers(graph: Graph, stored: Mapping[tuple[str, str], Stored]) -> Iterator[Layer]:
    for node in graph.nodes:
        if node.op_type in _LAYERS:
            found = _plain_layer(node, stored)
        elif node.op_type in _QUANTIZED:
            found = _integer_layer(node, stored)
        elif node.op_type in _DYNAMIC:
            found = _dynamic_layer(node)
        elif node.op_type in BLOCKS:
            weight = in_blocks(node)
            found = None if weight is None else _layer(node, weight=weight)
        else:
            continue
        if found is not None:
            yield found


def _layer(node: ir.Node, **fields: Any) -> Layer:
    tensor = name_of(node.outputs[0])
    return Layer(name=node.name or tensor, kind=node.op_type, tensor=plain_name(node.outputs[0]), **fields)


def _plain_layer(node: ir.Node, stored: Mapping[tuple[str, str], Stored]) -> Layer | None:
    """A layer in float, or between conversions."""
    value = taken(node, 1)
    weight = stored.get(("weight", name_behind(value)))
    floats = constant(value)
    if weight is None and floats is None:
        return None
    bias = stored.get(("bias", name_behind(taken(node, 2)))) if len(node.inputs) > 2 else None
    shape = weight.integers.shape if weight is not None and weight.integers is not None else ()
    return _layer(
        node,
        source=stored.get(("activation", name_behind(taken(node, 0)))),
        weight=weight,
        bias=bias,
        output=_quantized_behind(node, stored),
        channel_axis=channel_axis(node, len(shape) or (floats.ndim if floats is not None else 2)),
        float_weight=name_of(value) if floats is not None else None,
        is_depthwise=_is_depthwise(node, shape),
    )


def channel_axis(node: ir.Node, rank: int) -> int:
    """Where output channels lie in the weights of a layer."""
    if node.op_type == "Gemm":
        transposed = node.attributes.get("transB")
        return 0 if transposed is not None and transposed.as_int() else 1
    if node.op_type == "ConvTranspose":
        return 1
    return rank - 1 if "MatMul" in node.op_type else 0


def _is_depthwise(node: ir.Node, shape: tuple[int, ...]) -> bool:
    group = node.attributes.get("group")
    return group is not None and group.as_int() > 1 and len(shape) > 2 and shape[1] == 1


def _quantized_behind(node: ir.Node, stored: Mapping[tuple[str, str], Stored]) -> Stored | None:
    """What the one QuantizeLinear behind a layer makes, seen through an activation that is fused."""
    value = node.outputs[0]
    found = readers(value)
    if len(found) == 1 and found[0].op_type in _FUSABLE:
        value = found[0].outputs[0]
        found = readers(value)
    if len(found) != 1 or found[0].op_type != QUANTIZE:
        return None
    return stored.get(("activation", plain_name(value)))


def _integer_layer(node: ir.Node, stored: Mapping[tuple[str, str], Stored]) -> Layer | None:
    place, bias_place = _QUANTIZED[node.op_type]
    weight = stored.get(("weight", plain_name(taken(node, place))))
    if weight is None:
        return None
    rank = weight.integers.ndim if weight.integers is not None else 2
    kind_axis = 0 if node.op_type == "QLinearConv" else rank - 1
    if node.op_type == "QGemm" and (transposed := node.attributes.get("transB")) is not None and transposed.as_int():
        kind_axis = 0
    bias = None if bias_place is None else stored.get(("bias", plain_name(taken(node, bias_place))))
    return _layer(
        node,
        source=stored.get(("activation", real_name(taken(node, 0)))),
        weight=weight,
        bias=bias,
        output=stored.get(("activation", plain_name(node.outputs[0]))),
        channel_axis=kind_axis,
        is_depthwise=_is_depthwise(node, weight.integers.shape if weight.integers is not None else ()),
    )


def _dynamic_layer(node: ir.Node) -> Layer | None:
    place, scale_place, zero_place = _DYNAMIC[node.op_type]
    value = taken(node, place)
    codes = constant(value)
    scale = _scale_behind(node) if scale_place < 0 else constant(taken(node, scale_place))
    if codes is None or scale is None:
        return None
    axis = 0 if node.op_type == "ConvInteger" else codes.ndim - 1
    zero_point = constant(taken(node, zero_place))
    zeros = np.zeros(1, np.int64) if zero_point is None else zero_point.astype(np.int64)
    scale = scale.reshape(-1) if scale.size > 1 else scale.reshape(())
    weight = Stored(
        name=plain_name(value),
        role="weight",
        dtype=dtype_of(value) or "uint8",
        affine=Affine(scale.astype(np.float32), np.resize(zeros, scale.shape)),
        axis=axis if scale.size > 1 else None,
        integers=widened_codes(codes),
    )
    return _layer(
        node, weight=weight, channel_axis=axis, is_dynamic=True, is_depthwise=_is_depthwise(node, codes.shape)
    )


def _scale_behind(node: ir.Node) -> NDArray[Any] | None:
    """The scale of weights whose products are scaled behind an operator: a constant times the input's scale."""
    found = readers(node.outputs[0])
    while len(found) == 1 and found[0].op_type in ("Cast", "Reshape"):
        found = readers(found[0].outputs[0])
    for multiply in (each for each in found if each.op_type == "Mul"):
        for value in multiply.inputs:
            if (direct := constant(value)) is not None:
                return direct
            scales = None if value is None else value.producer()
            for each in scales.inputs if scales is not None and scales.op_type == "Mul" else ():
                if (scale := constant(each)) is not None:
                    return scale
    return None


def _constants(graph: Graph) -> Iterator[Constant]:
    live = _live(graph)
    for name, value in graph.values.items():
        maker = value.producer()
        if value.const_value is None and (maker is None or maker.op_type != "Constant"):
            continue
        uses = [(node, place) for node, place in value.uses()]
        kinds = dict.fromkeys(node.op_type for node, _ in uses if node.graph is not graph.graph or node in live)
        if value.is_graph_output():
            kinds["output"] = None
        tensor = value.const_value
        values = constant(value) if tensor is None else None
        if tensor is None and values is None:
            continue
        yield Constant(
            name=name,
            dtype=(dtype_of(value) if tensor is not None else str(values.dtype) if values is not None else "") or "",
            size_bytes=int(tensor.nbytes if tensor is not None else values.nbytes if values is not None else 0),
            elements=int(tensor.size if tensor is not None else values.size if values is not None else 0),
            readers=tuple(kinds),
            is_parameter=any(_is_parameter(node, place) for node, place in uses),
        )


def _is_parameter(node: ir.Node, place: int) -> bool:
    places = _PARAMETERS.get(node.op_type)
    if places is not None:
        return place in range(places.start, places.stop)
    value = taken(node, place)
    is_integer_operator = node.op_type.startswith("QLinear") or node.op_type == "QGemm"
    return is_integer_operator and value is not None and (dtype_of(value) or "").startswith("float")


def _live(graph: Graph) -> set[ir.Node]:
    """Nodes whose results reach an output of the model."""
    waiting = [node for value in graph.graph.outputs if (node := value.producer()) is not None]
    found: set[ir.Node] = set()
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.add(node)
        waiting += [maker for value in _all_inputs(node) if (maker := value.producer()) is not None]
    return found


def _all_inputs(node: ir.Node) -> Iterator[ir.Value]:
    """What a node takes, and what the graphs inside it take from outside."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        graphs = [attribute.as_graph()] if attribute.type == ir.AttributeType.GRAPH else []
        for inner in graphs:
            for each in inner:
                yield from _all_inputs(each)
            yield from inner.outputs
