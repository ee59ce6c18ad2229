"""Scales and types of the conversions in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.analysis.onnx_graph import DEQUANTIZE, constant, dtype_of, taken


def scheme_of(node: ir.Node) -> tuple[NDArray[Any] | None, str]:
    """Scales of a QuantizeLinear or DequantizeLinear, where they are constants, and its integer type."""
    zero_point = dtype_of(taken(node, 2))
    stored = dtype_of(taken(node, 0)) if node.op_type == DEQUANTIZE else None
    return constant(taken(node, 1)), zero_point or stored or "uint8"


def same_scheme(one: ir.Node, other: ir.Node) -> bool:
    """True if two conversions have the same scales and zero points, or if one of them is not a constant."""
    for place in (1, 2):
        pair = [constant(taken(node, place)) for node in (one, other)]
        if pair[0] is not None and pair[1] is not None and not np.array_equal(pair[0], pair[1]):
            return False
    return True
