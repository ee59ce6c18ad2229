"""A part of a graph that can be computed, and whose gradients can be taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.elementwise import ELEMENTWISE
from crossrt.exporters.quantizers.methods.blocks.gradients import Operator, Pulls
from crossrt.exporters.quantizers.methods.blocks.products import PRODUCTS
from crossrt.exporters.quantizers.methods.blocks.windows import WINDOWS
from crossrt.exporters.quantizers.methods.layers import Array, array, is_constant, number

OPERATORS: Final[Mapping[str, Operator]] = {**ELEMENTWISE, **PRODUCTS, **WINDOWS}

_CONVERSIONS: Final = ("QuantizeLinear", "DequantizeLinear")
"""Of ONNX Runtime's own domain as well, for types that the standard's do not take in old operator sets."""


def fixed(value: ir.Value | None) -> Array | None:
    """What a tensor holds that follows from constants alone, or None for any other."""
    if value is None or is_constant(value):
        return None if value is None else array(value)
    node = value.producer()
    if node is None or unknown(node) is not None or not node.inputs:
        return None
    inputs = [fixed(each) for each in node.inputs]
    if any(found is None and each is not None for found, each in zip(inputs, node.inputs, strict=True)):
        return None
    return OPERATORS[node.op_type](node, inputs)[0]


def unknown(node: ir.Node) -> str | None:
    """What of a node cannot be computed here, in the words of a message, or None where all can."""
    is_foreign = node.domain not in ("", "ai.onnx") and node.op_type not in _CONVERSIONS
    if node.op_type not in OPERATORS or is_foreign:
        return f"{node.domain}.{node.op_type}" if is_foreign else node.op_type
    check = _LIMITS.get(node.op_type)
    return check(node) if check is not None else None


def _reshape(node: ir.Node) -> str | None:
    return None if fixed(node.inputs[1]) is not None else "Reshape to a computed shape"


def _pool(node: ir.Node) -> str | None:
    if number(node, "ceil_mode", 0) or len([each for each in node.outputs if each.name]) > 1:
        return f"{node.op_type} with ceil_mode or with indices"
    return None


def _gemm(node: ir.Node) -> str | None:
    return "Gemm with transA" if number(node, "transA", 0) else None


def _reduce(node: ir.Node) -> str | None:
    has_axes = "axes" in node.attributes or (len(node.inputs) > 1 and fixed(node.inputs[1]) is not None)
    return None if has_axes else "ReduceMean over axes that are computed"


_LIMITS: Final[Mapping[str, Callable[[ir.Node], str | None]]] = {
    "AveragePool": _pool,
    "Gemm": _gemm,
    "MaxPool": _pool,
    "ReduceMean": _reduce,
    "Reshape": _reshape,
}


@dataclass(frozen=True, slots=True)
class Tape:
    """One computation.

    Attributes:
        values: All tensors, by name.
        steps: Each node with its functions for gradients, in the order of computation.
    """

    values: Mapping[str, Array]
    steps: Sequence[tuple[ir.Node, Pulls]]

    def gradients(self, output: str, gradient: Array, wanted: Collection[str]) -> dict[str, Array]:
        """Gradients by some tensors, by name, given that by one that depends on all of them."""
        dependent, found = self._dependent(wanted), {output: gradient}
        for node, pulls in reversed(self.steps):
            by_result = found.pop(node.outputs[0].name or "", None)
            if by_result is None:
                continue
            for value, pull in zip(node.inputs, pulls, strict=False):
                if value is not None and (name := value.name or "") in dependent:
                    part = pull(by_result)
                    found[name] = found[name] + part if name in found else part
        return {name: found[name] for name in wanted}

    def _dependent(self, wanted: Collection[str]) -> set[str]:
        """Names of tensors whose gradients are needed on the way to those that are asked for."""
        found = set(wanted)
        for node, _ in self.steps:
            if any(value is not None and value.name in found for value in node.inputs):
                found.add(node.outputs[0].name or "")
        return found


class Program:
    """Nodes that follow each other, what is constant among their inputs computed beforehand, in float32."""

    def __init__(self, nodes: Sequence[ir.Node]) -> None:
        """None of the nodes may be `unknown`."""
        self._nodes = tuple(nodes)
        made = {each.name for node in nodes for each in node.outputs}
        others = {each.name or "": each for node in nodes for each in node.inputs if each is not None}
        found = {name: fixed(value) for name, value in others.items() if name not in made}
        self._constants = {name: _narrowed(value) for name, value in found.items() if value is not None}

    def run(self, given: Mapping[str, Array]) -> Tape:
        """Computes everything from what is given by name; what is given takes the place of constants."""
        values, steps = {**self._constants, **given}, []
        for node in self._nodes:
            inputs = [None if each is None else values[each.name or ""] for each in node.inputs]
            result, pulls = OPERATORS[node.op_type](node, inputs)
            values[node.outputs[0].name or ""] = result
            steps.append((node, pulls))
        return Tape(values, steps)


def _narrowed(values: Array) -> Array:
    return values.astype(np.float32) if values.dtype == np.float64 else values
