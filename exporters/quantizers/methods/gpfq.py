"""Greedy path-following quantization: each weight makes up for the error that those before it left.

Source: Lybrand and Saab, "A Greedy Algorithm for Quantizing Neural Networks" (JMLR 22, 2021), equation 3 for the first
layer and section 3 for deeper ones, whose inputs `Y` are those of the quantized network: with `u_0 = 0`,
`q_t = Q(<Y_t, u_(t-1) + w_t X_t> / |Y_t|^2)` and `u_t = u_(t-1) + w_t X_t - q_t Y_t`. Written in second moments, the
numerator is `sum_(j <= t) w_j <X_j, Y_t> - sum_(j < t) q_j <Y_j, Y_t>`.
"""

from __future__ import annotations

import numpy as np

from crossrt.exporters.quantizers.methods.grid import Grid
from crossrt.exporters.quantizers.methods.layers import Array
from crossrt.exporters.quantizers.methods.moments import Moments

_SILENT = 1e-12
"""Share of the largest second moment below which an input says nothing: its weight is rounded to the nearest."""


def gpfq(weights: Array, grid: Grid, moments: Moments) -> Array:
    """Integers for weights, chosen one input after the other, for all outputs at once.

    Args:
        weights: `(groups, outputs, inputs)`.
        grid: Where the rounded weights lie.
        moments: Of the layer's inputs.

    Returns:
        Integers of the same shape.
    """
    exact = weights.astype(np.float64)
    integers = grid.nearest(exact)
    rounded = np.zeros_like(exact)
    sizes = np.einsum("gii->gi", moments.quantized).astype(np.float64)
    floor = _SILENT * max(float(sizes.max()), np.finfo(np.float64).tiny)
    for place in range(exact.shape[2]):
        size = sizes[:, place]
        wanted = np.einsum("goj,gj->go", exact[..., : place + 1], moments.cross[:, : place + 1, place])
        wanted = wanted - np.einsum("goj,gj->go", rounded[..., :place], moments.quantized[:, :place, place])
        is_heard = (size > floor)[:, None]
        wanted = np.where(is_heard, wanted / np.maximum(size, floor)[:, None], exact[..., place])
        integers[..., place] = grid.nearest(wanted[..., None])[..., 0]
        rounded[..., place] = grid.values(integers[..., place : place + 1])[..., 0]
    return integers
