"""Weights in groups of few bits: how their scales, zero points and integers are found, in numpy.

A weight of `K` inputs and `N` outputs is seen as `(N, groups, size)`: `size` inputs of one output share a scale, the
last group is filled up with zeros. An integer `q` of `bits` bits stands for `scale * (q - zero_point)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS: Final = 20
_STEP: Final = 0.1
"""k-quant tries so many scales, each one tenth of an integer step apart at the end of the range."""

_NORM, _BETA, _KAPPA, _ROUNDS = 0.7, 10.0, 1.01, 20
"""p, beta, its growth and the number of rounds in the half-quadratic solver, as its authors set them."""

_TINY: Final = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What the integers of groups stand for.

    Attributes:
        scale: `(..., 1)`.
        zero_point: `(..., 1)`; whole numbers, except those that the half-quadratic solver finds.
        bits: Bits of an integer; they reach from 0 to `2**bits - 1`.
    """

    scale: Floats
    zero_point: Floats
    bits: int

    def integers(self, values: Floats) -> Floats:
        """The nearest integers, half to even."""
        return np.clip(np.rint(values / self.scale + self.zero_point), 0, 2**self.bits - 1)

    def values(self, integers: Floats) -> Floats:
        """What integers stand for."""
        return (integers - self.zero_point) * self.scale

    def error(self, values: Floats, weights: Floats) -> Floats:
        """Sum of weighted squared differences of each group, `(..., 1)`."""
        difference = values - self.values(self.integers(values))
        return np.asarray(np.sum(weights * difference**2, axis=-1, keepdims=True))


def in_groups(weight: NDArray[np.floating], size: int) -> Floats:
    """A weight `(K, N)` as `(N, groups, size)`, filled up with zeros."""
    inputs, outputs = weight.shape
    filled = np.zeros((outputs, -(-inputs // size) * size))
    filled[:, :inputs] = weight.T
    return filled.reshape(outputs, -1, size)


def nearest_grid(groups: Floats, bits: int, is_symmetric: bool) -> Grid:
    """Scales that hold the range of each group, and zero: rounding to nearest.

    Symmetric: the value that is farthest from zero becomes the least integer, as ONNX Runtime's own kernel does it, so
    that a scale may be negative. Else `scale = (max - min) / (2**bits - 1)`, `zero_point = round(-min / scale)` (Jacob
    et al. 2018, equation 1).
    """
    low, high = np.minimum(groups.min(axis=-1, keepdims=True), 0), np.maximum(groups.max(axis=-1, keepdims=True), 0)
    if is_symmetric:
        farthest = np.where(high > -low, high, low)
        scale, zero_point = farthest / -(2 ** (bits - 1)), np.full_like(low, 2 ** (bits - 1))
    else:
        scale = (high - low) / (2**bits - 1)
        zero_point = np.rint(-low / np.where(scale == 0, 1, scale))
    scale = np.where(scale == 0, 1, scale).astype(np.float32).astype(np.float64)
    return Grid(scale=scale, zero_point=zero_point, bits=bits)


def k_quant_grid(groups: Floats, bits: int) -> Grid:
    """Scales and zero points of the least weighted squared error, searched as llama.cpp's k-quants do (Kawrakow 2023).

    For each of 20 scales around that of the range, values are rounded, and the line through them is fitted by weighted
    least squares, `min sum w (s q + m - x)^2` with `w = |x| + sqrt(mean x^2)`; `m` is at most 0, so that zero can be
    said. The zero point is rounded to a whole number as it is stored, and of all candidates the one whose *stored* form
    has the least error is taken; that of rounding to nearest is among them.
    """
    weights = np.abs(groups) + np.sqrt(np.mean(groups**2, axis=-1, keepdims=True))
    best = nearest_grid(groups, bits, is_symmetric=False)
    least = best.error(groups, weights)
    low = np.minimum(groups.min(axis=-1, keepdims=True), 0)
    width = np.maximum(groups.max(axis=-1, keepdims=True), 0) - low
    width = np.where(width == 0, 1, width)
    for step in range(_STEPS):
        inverse = (2**bits - 2 + step * _STEP) / width
        integers = np.clip(np.rint(inverse * (groups - low)), 0, 2**bits - 1)
        found = _fitted(groups, weights, integers, bits)
        error = found.error(groups, weights)
        is_better = error < least
        least = np.where(is_better, error, least)
        best = Grid(
            scale=np.where(is_better, found.scale, best.scale),
            zero_point=np.where(is_better, found.zero_point, best.zero_point),
            bits=bits,
        )
    return best


def _fitted(groups: Floats, weights: Floats, integers: Floats, bits: int) -> Grid:
    """The line `s q + m` through values at integers, by weighted least squares with `m <= 0`."""

    def total(values: Floats) -> Floats:
        return np.asarray(np.sum(weights * values, axis=-1, keepdims=True))

    one, q, qq, x, qx = (
        total(each) for each in (np.ones_like(groups), integers, integers**2, groups, integers * groups)
    )
    determinant = one * qq - q**2
    safe = np.where(determinant > 0, determinant, 1)
    scale, offset = (one * qx - x * q) / safe, (qq * x - q * qx) / safe
    through_zero = qx / np.where(qq > 0, qq, 1)
    scale = np.where(offset > 0, through_zero, scale)
    scale = np.where((determinant > 0) & (scale > 0), scale, 1).astype(np.float32).astype(np.float64)
    zero_point = np.clip(np.rint(-np.minimum(offset, 0) / scale), 0, 2**bits - 1)
    return Grid(scale=scale, zero_point=zero_point, bits=bits)


def half_quadratic_grid(groups: Floats, bits: int) -> Grid:
    """Zero points that make the errors sparse: half-quadratic quantization (Badri and Shaji 2023).

    Minimizes `||W - W'||_p^p` with p = 0.7 over the zero points `z` at fixed scales by turns: `e = shrink(W - W')`,
    the generalized soft threshold `sign(x) max(|x| - |x|^(p - 1) / beta, 0)`, then `z = mean(q - (W - e) / scale)`,
    while beta grows. The zero points with the least mean error `|W - W'|` are taken. They are not whole numbers.
    """
    low, high = groups.min(axis=-1, keepdims=True), groups.max(axis=-1, keepdims=True)
    scale = np.where(high > low, (high - low) / (2**bits - 1), 1).astype(np.float32).astype(np.float64)
    grid = best = Grid(scale=scale, zero_point=np.rint(-low / scale), bits=bits)
    least, beta = np.inf, _BETA
    for _ in range(_ROUNDS):
        integers = grid.integers(groups)
        error = groups - grid.values(integers)
        if (now := float(np.abs(error).mean())) >= least:
            break
        least, best = now, grid
        sparse = np.sign(error) * np.maximum(np.abs(error) - (np.abs(error) + _TINY) ** (_NORM - 1) / beta, 0)
        zero_point = np.mean(integers - (groups - sparse) / scale, axis=-1, keepdims=True)
        grid = Grid(scale=scale, zero_point=zero_point.astype(np.float32).astype(np.float64), bits=bits)
        beta *= _KAPPA
    return best
