"""Quantized tensors of any ONNX file, by what its operators take: no name has to follow a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.analysis.audit.added_biases import added_to, is_vector
from crossrt.analysis.audit.affine import TYPES, Affine, widened_codes
from crossrt.analysis.audit.record import Role, Stored
from crossrt.analysis.onnx_graph import DEQUANTIZE, QUANTIZE, Graph, constant, dtype_of, name_of, taken

_SUFFIXES: Final = ("_QuantizeLinear_Output", "_QuantizeLinear_Input", "_DequantizeLinear_Output", "_quantized")
_TAKES: Final[Mapping[str, tuple[tuple[int, int, int], ...]]] = {
    "QLinearConv": ((0, 1, 2), (3, 4, 5)),
    "QLinearMatMul": ((0, 1, 2), (3, 4, 5)),
    "QGemm": ((0, 1, 2), (3, 4, 5)),
    "QLinearAdd": ((0, 1, 2), (3, 4, 5)),
    "QLinearMul": ((0, 1, 2), (3, 4, 5)),
    "QLinearWhere": ((1, 2, 3), (4, 5, 6)),
}
"""Places of a tensor, its scale and its zero point among the inputs of quantized operators; others have one, first."""
_GIVES: Final = {"QLinearWhere": (7, 8), "QGemm": (7, 8), "QLinearConcat": (0, 1)}
_BIAS: Final = {"QLinearConv": 8, "QGemm": 6}
_LAYERS: Final = ("Conv", "ConvTranspose", "Gemm")
_BIAS_PLACE: Final = 2


def read_onnx(graph: Graph) -> list[Stored]:
    """Every quantized tensor that has constant scales, activations first; each once."""
    found: dict[tuple[str, str], Stored] = {}
    for node in graph.nodes:
        for each in _of_node(node):
            found.setdefault((each.role, each.name), each)
    order: dict[Role, int] = {"activation": 0, "weight": 1, "bias": 2}
    return sorted(found.values(), key=lambda each: order[each.role])


def _of_node(node: ir.Node) -> Iterator[Stored]:
    if node.op_type == QUANTIZE:
        yield from _stored(node, (0, 1, 2), taken(node, 0))
    elif node.op_type == DEQUANTIZE and constant(taken(node, 0)) is not None:
        yield from _dequantized(node)
    elif node.op_type == DEQUANTIZE and (value := taken(node, 0)) is not None and value.producer() is None:
        yield from _stored(node, (0, 1, 2), value)  # integers that the user feeds
    elif node.op_type.startswith("QLinear") or node.op_type == "QGemm":
        yield from _of_operator(node)


def _dequantized(node: ir.Node) -> Iterator[Stored]:
    """A weight; or a bias where a layer takes it as one."""
    layer = next((each for each in node.outputs[0].consumers() if each.op_type in _LAYERS), None)
    if layer is None or taken(layer, _BIAS_PLACE) is not node.outputs[0]:
        yield from _stored(node, (0, 1, 2), taken(node, 0))
        return
    source, weight = (name_behind(taken(layer, place)) for place in (0, 1))
    yield from _stored(node, (0, 1, 2), taken(node, 0), names=(source, weight))


def name_behind(value: ir.Value | None) -> str:
    """The tensor that a DequantizeLinear makes real, by its float name."""
    maker = None if value is None else value.producer()
    if maker is None or maker.op_type != DEQUANTIZE:
        return ""
    return real_name(taken(maker, 0))


def _of_operator(node: ir.Node) -> Iterator[Stored]:
    takes = _TAKES.get(node.op_type, ((0, 1, 2),))
    if node.op_type == "QLinearConcat":
        takes = tuple((place, place + 1, place + 2) for place in range(2, len(node.inputs) - 2, 3))
    for places in takes:
        yield from _stored(node, places, taken(node, places[0]))
    scale, zero_point = _GIVES.get(node.op_type, (takes[-1][2] + 1, takes[-1][2] + 2))
    yield from _stored(node, (-1, scale, zero_point), node.outputs[0])
    if (place := _BIAS.get(node.op_type)) is not None:
        yield from _implied_bias(node, place)


def _implied_bias(node: ir.Node, place: int) -> Iterator[Stored]:
    """A bias of a quantized operator has no scale of its own: it cannot have a wrong one."""
    integers, scales = constant(taken(node, place)), [constant(taken(node, each)) for each in (1, 4)]
    if integers is None or scales[0] is None or scales[1] is None:
        return
    scale = np.asarray(scales[0] * scales[1], dtype=np.float32)
    yield Stored(
        name=plain_name(taken(node, place)),
        role="bias",
        dtype="int32",
        affine=Affine(scale, np.zeros(scale.shape, np.int64)),
        axis=0 if scale.size > 1 else None,
        integers=integers,
    )


def _stored(
    node: ir.Node, places: tuple[int, int, int], value: ir.Value | None, names: tuple[str, str] | None = None
) -> Iterator[Stored]:
    scale, zero_point = constant(taken(node, places[1])), constant(taken(node, places[2]))
    integers = constant(value)
    dtype = dtype_of(taken(node, places[2])) or (dtype_of(value) if integers is not None else None) or "uint8"
    if value is None or scale is None or dtype not in TYPES:
        return
    is_added = names is None and integers is not None and is_vector(integers.shape) and added_to(value) is not None
    role: Role = "bias" if names or is_added else "weight" if integers is not None else "activation"
    zeros = np.zeros(scale.shape, np.int64) if zero_point is None else zero_point.astype(np.int64)
    codes = None if integers is None or integers.dtype.kind == "f" else integers
    if codes is not None:
        codes = codes.astype(np.float32) if dtype.startswith("float") else widened_codes(codes)
    yield Stored(
        name=real_name(node.outputs[0] if node.op_type == QUANTIZE else value),
        role=role,
        dtype=dtype,
        affine=Affine(np.asarray(scale, np.float32), np.resize(zeros, scale.shape)),
        axis=_axis(node) if scale.size > 1 else None,
        integers=codes,
        source=names[0] or None if names else None,
        weight=names[1] or None if names else None,
        block_size=_block_size(node) if scale.size > 1 else None,
        is_operand=is_added,
    )


def _block_size(node: ir.Node) -> int | None:
    attribute = node.attributes.get("block_size")
    return (attribute.as_int() or None) if attribute is not None else None


def _axis(node: ir.Node) -> int:
    """Channels of quantized operators lie first; a conversion names their axis."""
    attribute = node.attributes.get("axis")
    if attribute is not None:
        return int(attribute.as_int())
    return 1 if node.op_type in (QUANTIZE, DEQUANTIZE, "QLinearMatMul", "QGemm") else 0


def real_name(value: ir.Value | None) -> str:
    """The float name of a tensor of integers: that of the tensor which a QuantizeLinear makes it from, if one does.

    What is quantized a second time, into another type, has other scales than the first: it keeps its own name.
    """
    maker = None if value is None else value.producer()
    source = taken(maker, 0) if maker is not None and maker.op_type == QUANTIZE else None
    before = None if source is None else source.producer()
    return plain_name(value if source is None or (before is not None and before.op_type == DEQUANTIZE) else source)


def plain_name(value: ir.Value | None) -> str:
    """The float name of a tensor: without what quantizers add to it."""
    return without_suffixes(name_of(value))


def without_suffixes(name: str) -> str:
    """A name without what quantizers add to it."""
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name
