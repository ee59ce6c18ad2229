"""What OpenVINO's compiled graph says of its kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

from crossrt.runtimes.kernels import Kernel, KernelKind, Profile, kind_of

_BORDERS: Final = frozenset(("Input", "Output", "Const"))
_NO_PRIMITIVE: Final = ("unknown", "undef")
_DTYPES: Final = {"f": "float", "i": "int", "u": "uint", "bf": "bfloat"}
_PASSES_ON: Final = frozenset(("Reorder", "Subgraph", "Eltwise", "Convert", "FakeQuantize"))
"""Kernels that may do no more than convert: they do where they make integers of floats or floats of integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """A node of the compiled graph; `total_us` is None where a call takes less than one, or it is not timed."""

    operator: str
    name: str
    primitive: str
    input_dtype: str
    output_dtype: str
    total_us: int | None


def operators_of(graph: Any) -> tuple[str, ...] | None:
    """Types of the kernels in order; None for a graph without any."""
    return tuple(node.operator for node in _nodes(graph, 1)) or None


def profile_of(compiled: Any, request: Any, calls: int) -> Profile | None:
    """Kernels of calls of a request, after one that warms up; None for a graph without any.

    Args:
        compiled: A model that is compiled to count times: of each kernel, the mean over all calls so far.
        request: A request of it, with its inputs.
        calls: How many calls are timed.
    """
    request.infer()
    first = {node.name: node.total_us for node in _nodes(compiled.get_runtime_model(), 1)}
    began = perf_counter_ns()
    for _ in range(calls):
        request.infer(None, share_inputs=True, share_outputs=True)
    call_ns = (perf_counter_ns() - began) / calls
    nodes = list(_nodes(compiled.get_runtime_model(), calls + 1))
    if not nodes:
        return None
    return Profile(kernels=tuple(_kernel(node, first.get(node.name), calls) for node in nodes), call_ns=call_ns)


def _kernel(node: _Node, first_us: int | None, calls: int) -> Kernel:
    later_us = None if node.total_us is None else max(0, node.total_us - (first_us or 0))
    return Kernel(
        operator=node.operator,
        name=node.name,
        kind=_kind(node),
        dtype=node.input_dtype,
        delegate=None if node.primitive.startswith(_NO_PRIMITIVE) else node.primitive,
        duration_ns=None if later_us is None else 1000 * later_us / calls,
    )


def _kind(node: _Node) -> KernelKind:
    if node.operator in _PASSES_ON and ("float" in node.input_dtype) != ("float" in node.output_dtype):
        return "conversion"
    return "layout" if node.operator == "Reorder" else kind_of(node.operator, [node.input_dtype])


def _nodes(graph: Any, calls: int) -> Iterator[_Node]:
    """Nodes that run with each call, in order."""
    constant: set[str] = set()
    for op in graph.get_ordered_ops():
        told = {name: str(value.astype(str)) for name, value in op.get_rt_info().items()}
        sources = [value.get_source_output().get_node().get_friendly_name() for value in op.inputs()]
        if told["layerType"] == "Const" or (sources and constant.issuperset(sources)):
            constant.add(op.get_friendly_name())
        elif told["layerType"] not in _BORDERS:
            mean_us = told["execTimeMcs"]
            yield _Node(
                operator=told["layerType"],
                name=op.get_friendly_name(),
                primitive=told["primitiveType"],
                input_dtype=_dtype(told["runtimePrecision"]),
                output_dtype=_dtype(told["outputPrecisions"].split(",")[0]),
                total_us=int(mean_us) * calls if mean_us.isdigit() else None,
            )


def _dtype(precision: str) -> str:
    """What numpy calls OpenVINO's `f32`."""
    letters = precision.rstrip("0123456789")
    return f"{_DTYPES[letters]}{precision[len(letters) :]}" if letters in _DTYPES else precision
