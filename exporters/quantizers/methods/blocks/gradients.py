"""What operators have in common: each gives its result, and for each input a function that takes gradients back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.layers import Array

Pull: TypeAlias = Callable[[Array], Array]
"""From the gradient by an operator's result to that by one of its inputs."""

Pulls: TypeAlias = Sequence[Pull]
"""One for each of an operator's inputs, in order; none for its last ones where they are constants in all files."""

Operator: TypeAlias = Callable[[ir.Node, Sequence[Array | None]], tuple[Array, Pulls]]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sums a gradient over the axes along which an operand was repeated."""
    extra = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(extra))) if extra else gradient
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and gradient.shape[axis] != 1)
    return gradient.sum(axis=repeated, keepdims=True) if repeated else gradient


def present(values: Sequence[Array | None]) -> list[Array]:
    """The inputs of an operator that needs all of them."""
    found = [each for each in values if each is not None]
    assert len(found) == len(values)
    return found


def attribute(node: ir.Node, name: str, otherwise: float) -> float:
    """An attribute that is a number."""
    found = node.attributes.get(name)
    return otherwise if found is None else float(np.asarray(found.value))
