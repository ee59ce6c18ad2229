"""Second moments of what a layer takes, in the float model and in the quantized one: all that rounding depends on.

With rows `X` of the float model and `Y` of the quantized one, the squared error of a layer with weights `W` that are
rounded to `Q` is `|X W' - Y Q'|^2 = tr(W A W') - 2 tr(W B Q') + tr(Q C Q')` with `A = X'X`, `B = X'Y` and `C = Y'Y`:
memory does not grow with samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from crossrt.exporters.quantizers.methods.layers import Array

MOST_INPUTS: Final = 16_384
"""Inputs of an output beyond which the moments would take gigabytes."""

MOST_ROWS: Final = 8_192
"""Rows of one call that count; of more, every so many-th does."""


@dataclass(slots=True)
class Moments:
    """Sums over rows, `(groups, inputs, inputs)`, float32.

    Attributes:
        own: `A`, of the float model with itself.
        cross: `B`, of the float model with the quantized one.
        quantized: `C`, of the quantized model with itself.
        rows: How many rows there were.
    """

    own: Array
    cross: Array
    quantized: Array
    rows: int = 0

    @classmethod
    def empty(cls, groups: int, inputs: int) -> Moments:
        """Nothing yet."""
        own, cross, quantized = (np.zeros((groups, inputs, inputs), np.float32) for _ in range(3))
        return cls(own, cross, quantized)

    def add(self, exact: Array, found: Array) -> None:
        """Adds the rows of one call, `(groups, rows, inputs)` of both models."""
        step = -(-exact.shape[1] // MOST_ROWS)
        exact, found = (np.ascontiguousarray(each[:, ::step], dtype=np.float32) for each in (exact, found))
        turned = exact.transpose(0, 2, 1)
        self.own += turned @ exact
        self.cross += turned @ found
        self.quantized += found.transpose(0, 2, 1) @ found
        self.rows += exact.shape[1]

    def error(self, weights: Array, rounded: Array) -> float:
        """Mean squared error of an output's sums.

        Args:
            weights: `W`, `(groups, outputs, inputs)`.
            rounded: `Q`, what its integers stand for, of the same shape.
        """
        return float(self.errors(weights, rounded).sum()) / max(1, self.rows)

    def errors(self, weights: Array, rounded: Array) -> Array:
        """The squared error of each output, `(groups, outputs)`, summed over rows."""
        exact, found = weights.astype(np.float64), rounded.astype(np.float64)
        parts = (exact @ self.own * exact, exact @ self.cross * found, found @ self.quantized * found)
        own, cross, quantized = (each.sum(axis=2) for each in parts)
        return np.asarray(own - 2 * cross + quantized)
