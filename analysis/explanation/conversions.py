"""Why a conversion is left in the optimised graph, beside those at the borders of the model."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from crossrt.analysis.explanation.record import IN_FLOAT
from crossrt.analysis.explanation.schemes import same_scheme
from crossrt.analysis.onnx_graph import (
    DEQUANTIZE,
    QUANTIZE,
    constant,
    named,
    reaches_output,
    source,
    taken,
    users,
)


def is_border(node: ir.Node) -> bool:
    """True if it only stands between a float input or output of the model and its integers."""
    if node.op_type == QUANTIZE:
        before = source(taken(node, 0))
        return before is not None and before.is_graph_input()
    return node.op_type == DEQUANTIZE and reaches_output(node.outputs[0]) and not users(node.outputs[0])


def reasons_left(node: ir.Node, floats: Collection[str]) -> list[str]:
    """What stands beside a conversion.

    Args:
        node: The conversion, in the optimised graph.
        floats: Names of the nodes that compute in float.
    """
    if node.op_type == QUANTIZE:
        return _behind(node, floats)
    return _before(node, floats) if node.op_type == DEQUANTIZE else []


def _behind(node: ir.Node, floats: Collection[str]) -> list[str]:
    value = source(taken(node, 0))
    maker = None if value is None else value.producer()
    if maker is None:
        return []
    if maker.op_type == DEQUANTIZE:
        return ["integers change their scale"] if not same_scheme(maker, node) else []
    return [f"behind {named([maker])}{IN_FLOAT}"] if maker.name in floats else []


def _before(node: ir.Node, floats: Collection[str]) -> list[str]:
    found_users = users(node.outputs[0])
    in_float = [each for each in found_users if each.name in floats]
    what = "constants of" if constant(taken(node, 0)) is not None else "before"
    found = [f"{what} {named(in_float)}{IN_FLOAT}"] if in_float else []
    if any(each.op_type == QUANTIZE and not same_scheme(node, each) for each in found_users):
        found.append("integers change their scale")
    if reaches_output(node.outputs[0]) and found:
        found.append(f"an output of the model{IN_FLOAT}")
    return found
