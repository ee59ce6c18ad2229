"""Why a conversion is left in the optimised graph, beside those at the borders of the model."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from crossrt.analysis.explanation.graph import DEQUANTIZE, QUANTIZE, Graph, named, same_scheme
from crossrt.analysis.explanation.record import IN_FLOAT


def is_border(graph: Graph, node: onnx.NodeProto) -> bool:
    """True if it only stands between a float32 input or output of the model and its integers."""
    if node.op_type == QUANTIZE:
        return graph.comes_from_input(node.input[0])
    return node.op_type == DEQUANTIZE and graph.reaches_output(node.output[0]) and not graph.users(node.output[0])


def reasons_left(graph: Graph, node: onnx.NodeProto, floats: Collection[str]) -> list[str]:
    """What stands beside a conversion.

    Args:
        graph: The optimised graph.
        node: The conversion.
        floats: Names of the nodes that compute in float.
    """
    if node.op_type == QUANTIZE:
        return _behind(graph, node, floats)
    return _before(graph, node, floats) if node.op_type == DEQUANTIZE else []


def _behind(graph: Graph, node: onnx.NodeProto, floats: Collection[str]) -> list[str]:
    source = graph.source(node.input[0])
    if source is None:
        return []
    if source.op_type == DEQUANTIZE:
        return ["integers change their scale"] if not same_scheme(graph, source, node) else []
    return [f"behind {named([source])}{IN_FLOAT}"] if source.name in floats else []


def _before(graph: Graph, node: onnx.NodeProto, floats: Collection[str]) -> list[str]:
    users = [each for each in graph.users(node.output[0]) if each.name in floats]
    what = "constants of" if node.input[0] in graph.constants else "before"
    found = [f"{what} {named(users)}{IN_FLOAT}"] if users else []
    requantized = [each for each in graph.users(node.output[0]) if each.op_type == QUANTIZE]
    if any(not same_scheme(graph, node, each) for each in requantized):
        found.append("integers change their scale")
    if graph.reaches_output(node.output[0]) and found:
        found.append(f"an output of the model{IN_FLOAT}")
    return found
