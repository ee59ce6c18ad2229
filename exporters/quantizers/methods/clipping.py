"""Ranges that cut off outliers: of values in a histogram, and of weights.

Source of the least squared error: Nagel et al., "A White Paper on Neural Network Quantization" (2021), section 3.1,
equation 10: the bounds of a range are those that make `sum (x - q(x))^2` least, where rounding and clipping both count.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.layers import Array, layers_of, replace
from crossrt.exporters.recipes.recipe import WeightRanges

SHARES: Final = np.linspace(1.0, 0.05, 96)
"""Shares of the whole range that are tried."""

_ROUNDS: Final = 3


def least_squares_range(
    counts: Array, edges: Array, low: float, high: float, levels: int, *, is_symmetric: bool = False
) -> tuple[float, float]:
    """The bounds with the least squared error of values that lie in the middle of the bins of a histogram.

    First both bounds shrink by one share; then each is chosen in turns, the other one held, until neither moves.

    Args:
        counts: Values in each bin, `(bins,)`.
        edges: Edges of the bins, `(bins + 1,)`.
        low: Least value.
        high: Greatest value.
        levels: Number of integers that stand for values, such as 256.
        is_symmetric: Both bounds have the same distance from zero.
    """
    is_there = counts > 0
    middles = ((edges[:-1] + edges[1:]) / 2)[is_there].astype(np.float64)
    weights = counts[is_there].astype(np.float64)
    least, most = min(low, 0.0), max(high, 0.0)
    if not middles.size or least == most:
        return least, most
    if is_symmetric:
        farthest = max(-least, most)
        errors = [_error(middles, weights, -farthest * share, farthest * share, levels) for share in SHARES]
        best = farthest * float(SHARES[int(np.argmin(errors))])
        return -best, best
    errors = [_error(middles, weights, least * share, most * share, levels) for share in SHARES]
    bounds = [each * float(SHARES[int(np.argmin(errors))]) for each in (least, most)]
    for _ in range(_ROUNDS):
        before = list(bounds)
        for place, whole in ((1, most), (0, least)):
            tried = [whole * share for share in SHARES]
            both = [(bounds[0], each) if place else (each, bounds[1]) for each in tried]
            errors = [_error(middles, weights, bottom, top, levels) for bottom, top in both]
            bounds[place] = tried[int(np.argmin(errors))]
        if bounds == before:
            break
    return bounds[0], bounds[1]


def _error(values: Array, weights: Array, low: float, high: float, levels: int) -> float:
    """Squared error of values on an even grid that holds zero, as the affine scheme has it."""
    scale = (high - low) / (levels - 1)
    if scale <= 0:
        return float((weights * values**2).sum())
    zero = np.rint(-low / scale)
    found = (np.clip(np.rint(values / scale) + zero, 0, levels - 1) - zero) * scale
    return float((weights * (values - found) ** 2).sum())


def clip_weights(
    model: ir.Model, how: WeightRanges, *, bits: int, percentile: float, is_per_channel: bool, is_symmetric: bool
) -> int:
    """Cuts the weights of a float model to ranges that MinMax then finds, in place.

    Args:
        model: The float model.
        how: By the least squared error, or by a percentile of the magnitudes.
        bits: Bits of the integers that will stand for the weights.
        percentile: Share of the weights that stays as it is, in percent, for `percentile`.
        is_per_channel: A range for each output channel.
        is_symmetric: Ranges lie evenly around zero.

    Returns:
        How many layers have weights that were cut.

    Raises:
        UnfitRecipeError: Nothing is cut anywhere.
    """
    changed = 0
    for layer in layers_of(model):
        values = layer.values
        rows = np.moveaxis(values, layer.output_axis, 0).reshape(values.shape[layer.output_axis], -1)
        rows = rows if is_per_channel else rows.reshape(1, -1)
        bounds = np.array([_bounds(row, how, 2**bits, percentile, is_symmetric=is_symmetric) for row in rows])
        low, high = (bounds[:, side].astype(np.float32) for side in (0, 1))
        shape = [1] * values.ndim
        shape[layer.output_axis] = -1
        cut = np.clip(values, low.reshape(shape), high.reshape(shape))
        if (cut != values).any():
            replace(layer.weight, cut)
            changed += 1
    if not changed:
        raise UnfitRecipeError(f"weight_ranges = {how} cuts nothing off: the full ranges of all weights are best")
    return changed


def _bounds(
    row: Array, how: WeightRanges, levels: int, percentile: float, *, is_symmetric: bool
) -> tuple[float, float]:
    low, high = min(float(row.min()), 0.0), max(float(row.max()), 0.0)
    if how == "percentile":
        if is_symmetric:
            farthest = float(np.percentile(np.abs(row), percentile))
            return -farthest, farthest
        rest = (100 - percentile) / 2
        return min(float(np.percentile(row, rest)), 0.0), max(float(np.percentile(row, 100 - rest)), 0.0)
    if is_symmetric:
        low, high, levels = -max(-low, high), max(-low, high), levels - 1
    weights, row = np.ones(row.size), row.astype(np.float64)
    errors = [_error(row, weights, low * share, high * share, levels) for share in SHARES]
    best = float(SHARES[int(np.argmin(errors))])
    return low * best, high * best
