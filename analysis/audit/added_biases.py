"""Biases that an Add behind a MatMul adds: quantizers that see no Gemm quantize them like activations."""

from __future__ import annotations

from typing import Final

import onnx_ir as ir

from crossrt.analysis.onnx_graph import DEQUANTIZE, QUANTIZE, taken

_ADDS: Final = {"Add": (0, 1), "QLinearAdd": (0, 3)}
"""Operators that add, with the places of both sides."""
_PRODUCTS: Final = ("MatMul", "QLinearMatMul")


def added_to(value: ir.Value | None) -> ir.Node | None:
    """The MatMul to whose result a constant is added, seen through conversions; None where it is not a bias of one.

    Args:
        value: A constant, in float or quantized. A bias has one value for each column.
    """
    if value is None:
        return None
    for node in value.consumers():
        if node.op_type == DEQUANTIZE and taken(node, 0) is value:
            return added_to(node.outputs[0])
        if node.op_type in _ADDS:
            for place in _ADDS[node.op_type]:
                other = taken(node, place)
                if other is not value and (maker := _maker(other)) is not None and maker.op_type in _PRODUCTS:
                    return maker
    return None


def _maker(value: ir.Value | None) -> ir.Node | None:
    maker = None if value is None else value.producer()
    while maker is not None and maker.op_type in (QUANTIZE, DEQUANTIZE):
        before = taken(maker, 0)
        maker = None if before is None else before.producer()
    return maker


def is_vector(shape: tuple[int, ...]) -> bool:
    """True for one value for each of several columns."""
    return bool(shape) and shape[-1] > 1 and all(size == 1 for size in shape[:-1])
