"""GPTQ: weights are rounded one input after the other, and those that follow make up for the error."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.exporters.quantizers.ort.groups import Floats, Grid, in_groups, nearest_grid

DAMPING: Final = 0.01
"""Share of the mean diagonal that is added to the Hessian (Frantar et al. 2022, section 3.3, step 3)."""

_LAZY: Final = 128


def gptq(
    weight: NDArray[np.floating], hessian: Floats, bits: int, size: int, is_symmetric: bool
) -> tuple[Floats, Grid]:
    """Integers of a weight `(K, N)` and their grid, by Frantar et al. 2022, algorithm 1.

    Rounding error of input `i`, divided by the diagonal of the Cholesky factor of the inverse Hessian, is taken from
    all inputs behind it in proportion to the factor's row. The scale of a group is found when its first input is
    reached, from the weights as they are by then. An input that is always 0 has no say: its weights are rounded.

    Args:
        weight: `(K, N)`.
        hessian: `2 X^T X` of the layer's inputs `X`, `(K, K)`; it is not changed.
        bits: Bits of an integer.
        size: Inputs that share a scale.
        is_symmetric: Zero points in the middle.

    Returns:
        Integers `(N, groups, size)`, and their grid.
    """
    upper = _inverse_factor(hessian)
    left = weight.T.astype(np.float64)  # (N, K), as far as it is not rounded yet
    outputs, inputs = left.shape
    integers = np.zeros_like(left)
    grids: list[Grid] = []
    for start in range(0, inputs, _LAZY):
        end = min(start + _LAZY, inputs)
        errors = np.zeros((outputs, end - start))
        for place in range(start, end):
            if place % size == 0:
                ahead = _caught_up(left, errors, upper, start, end, place, min(place + size, inputs))
                grids.append(nearest_grid(ahead, bits, is_symmetric))
            column = left[:, place : place + 1]
            integers[:, place : place + 1] = found = grids[-1].integers(column)
            errors[:, place - start] = ((column - grids[-1].values(found)) / upper[place, place])[:, 0]
            left[:, place + 1 : end] -= np.outer(errors[:, place - start], upper[place, place + 1 : end])
        left[:, end:] -= errors @ upper[start:end, end:]
    scale, zero_point = (np.stack([getattr(each, name) for each in grids], axis=1) for name in ("scale", "zero_point"))
    grid = Grid(scale=scale, zero_point=zero_point, bits=bits)
    grouped = in_groups(integers.T, size)
    filled = np.arange(grouped.shape[1] * size).reshape(1, -1, size) >= inputs
    return np.where(filled, grid.zero_point, grouped), grid


def _caught_up(left: Floats, errors: Floats, upper: Floats, start: int, end: int, first: int, last: int) -> Floats:
    """Weights `first` to `last`, with the errors that those behind the lazy block `start` to `end` have yet to bear."""
    now = left[:, first:last]
    if last <= end:
        return now
    return np.concatenate([now[:, : end - first], now[:, end - first :] - errors @ upper[start:end, end:last]], axis=1)


def _inverse_factor(hessian: Floats) -> Floats:
    """The upper Cholesky factor of the inverse of the damped Hessian."""
    damped = hessian.copy()
    diagonal = np.arange(len(damped))
    damped[diagonal, diagonal] = np.where(np.diag(damped) == 0, 1, np.diag(damped))
    damped[diagonal, diagonal] += DAMPING * np.mean(np.diag(hessian))
    return np.asarray(np.linalg.cholesky(np.linalg.inv(damped)).T)
