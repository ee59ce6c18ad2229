"""The units of a search: which nodes of a graph are quantized or left in float together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import onnx_ir as ir

from crossrt.analysis.onnx_graph import LAYOUT, Graph, inputs_of, name_of, taken
from crossrt.analysis.search.record import Unit

FOLLOWERS: Final = frozenset(("Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh", "Elu", "PRelu"))
"""Activations that go with the operator before them: a float one between integers would only add conversions."""

MOVERS: Final = LAYOUT | {"MaxPool", "Slice", "Pad", "Split", "Resize", "DepthToSpace", "SpaceToDepth"}
"""Operators that are quantized where what they read is, and need no decision of their own."""


def quantizable_types() -> frozenset[str]:
    """Operator types that ONNX Runtime's static quantizer knows."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return frozenset(QDQRegistry) | frozenset(QLinearOpsRegistry)


def units_of(graph: Graph, types: Collection[str], shares: Mapping[str, float]) -> list[Unit]:
    """Units in the order of the graph.

    Args:
        graph: The prepared float model.
        types: Operator types that can be quantized.
        shares: Share of the kernel time by name of the node.
    """
    heads = [node for node in graph.nodes if node.op_type in types and node.op_type not in MOVERS]
    heads = [node for node in heads if not _follows(node, heads)]
    return [_unit(node, shares) for node in heads if node.name]


def _follows(node: ir.Node, heads: Collection[ir.Node]) -> bool:
    """True for an activation that alone reads what a unit gives."""
    before = taken(node, 0)
    if node.op_type not in FOLLOWERS or before is None or len(list(before.consumers())) != 1:
        return False
    maker = before.producer()
    return maker is not None and any(maker is each for each in heads)


def _unit(head: ir.Node, shares: Mapping[str, float]) -> Unit:
    nodes = [head, *_behind(head)]
    names = tuple(node.name for node in nodes if node.name)
    return Unit(
        name=head.name or "",
        op_type=head.op_type,
        nodes=names,
        weight_bytes=sum(_bytes_of(value) for node in nodes for value in inputs_of(node)),
        time_share=sum(shares.get(name, 0.0) for name in names),
    )


def _behind(node: ir.Node) -> Iterator[ir.Node]:
    """Activations that follow, one behind the other."""
    readers = list(node.outputs[0].consumers()) if node.outputs and name_of(node.outputs[0]) else []
    if len(readers) == 1 and readers[0].op_type in FOLLOWERS:
        yield readers[0]
        yield from _behind(readers[0])


def _bytes_of(value: ir.Value) -> int:
    return 0 if value.const_value is None else int(value.const_value.nbytes)
