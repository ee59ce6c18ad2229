"""AdaRound: whether each weight is rounded up or down is learned, so that the layer's output is off least.

Source: Nagel, Amjad, van Baalen, Louizos and Blankevoort, "Up or Down? Adaptive Rounding for Post-Training
Quantization" (ICML 2020). The weights are `s clip(floor(W / s) + h(V))` (equation 22) with the rectified sigmoid
`h(V) = clip(sigmoid(V) (zeta - gamma) + gamma, 0, 1)`, zeta = 1.1 and gamma = -0.1 (equation 23); what is made least is
the error of the layer's sums given the inputs of the quantized network (equation 25, without the activation, so that
second moments are all that is needed) plus `lambda sum(1 - |2 h(V) - 1|^beta)` (equation 24), beta falling from 20 to
2, after a first fifth without it.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from crossrt.exporters.quantizers.methods.grid import Grid
from crossrt.exporters.quantizers.methods.layers import Array
from crossrt.exporters.quantizers.methods.moments import Moments

STEPS: Final = 300
_RATE: Final = 0.05
_ZETA, _GAMMA = 1.1, -0.1
_BETAS: Final = (20.0, 2.0)
_WITHOUT: Final = 0.2
_LAMBDA: Final = 0.3
"""Weight of the regularizer, relative to the error of rounding to the nearest, per weight."""


def adaround(weights: Array, grid: Grid, moments: Moments, steps: int = STEPS) -> Array:
    """Integers for weights, each next to it on one side or the other, by gradient descent (Adam) on all at once.

    Args:
        weights: `(groups, outputs, inputs)`.
        grid: Where the rounded weights lie.
        moments: Of the layer's inputs.
        steps: Steps of the descent.

    Returns:
        Integers of the same shape; for each output those to the nearest, where learning found none that are better.
    """
    exact = weights.astype(np.float64)
    scaled = exact / grid.scale + grid.zero_point
    nearest = grid.nearest(exact)
    unit = np.maximum(moments.errors(exact, grid.values(nearest)), np.finfo(np.float64).tiny)[..., None]
    below = np.floor(scaled).astype(np.float32)
    scale = np.broadcast_to(grid.scale, (*exact.shape[:2], 1)).astype(np.float32)
    zero_point = np.asarray(grid.zero_point, np.float32)
    target = weights @ moments.cross  # (groups, outputs, inputs); float32 is enough to go downhill
    slopes = (2 * scale / unit).astype(np.float32)
    state = inverse((scaled - below).astype(np.float32))
    mean, square = np.zeros_like(state), np.zeros_like(state)
    for step in range(1, steps + 1):
        share, slope = rectified(state)
        rounded = (np.clip(below + share, grid.low, grid.high) - zero_point) * scale
        gradient = ((rounded @ moments.quantized - target) * slopes + pull(share, step / steps)) * slope
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        state -= _RATE / (1 - 0.9**step) * mean / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    learned = np.clip(below + (rectified(state)[0] >= 0.5), grid.low, grid.high).astype(np.int64)
    is_better = moments.errors(exact, grid.values(learned)) < moments.errors(exact, grid.values(nearest))
    return np.where(is_better[..., None], learned, nearest)


def rectified(state: Array) -> tuple[Array, Array]:
    """The rectified sigmoid, and its slope."""
    sigmoid = 1 / (1 + np.exp(-state))
    stretched = sigmoid * (_ZETA - _GAMMA) + _GAMMA
    is_inside = (stretched > 0) & (stretched < 1)
    return np.clip(stretched, 0, 1), np.where(is_inside, (_ZETA - _GAMMA) * sigmoid * (1 - sigmoid), 0.0)


def inverse(share: Array) -> Array:
    """The state in which a weight is as it was before rounding."""
    sigmoid = (share - _GAMMA) / (_ZETA - _GAMMA)
    return np.asarray(np.log(sigmoid / (1 - sigmoid)), np.float32)


def pull(share: Array, progress: float, weight: float = _LAMBDA) -> Array | float:
    """Gradient of the regularizer by the share."""
    if progress < _WITHOUT:
        return 0.0
    done = (progress - _WITHOUT) / (1 - _WITHOUT)
    beta = _BETAS[1] + (_BETAS[0] - _BETAS[1]) * (1 + math.cos(math.pi * done)) / 2
    centred = 2 * share - 1
    return np.asarray(-weight * 2 * beta * np.abs(centred) ** (beta - 1) * np.sign(centred))
