"""Scales and zero points in numpy, such that every converter computes the same ones to the last bit.

A scale has at most 16 significant bits. A range of 255 steps then begins and ends at numbers that float32 holds
exactly, so that whoever divides its width by 255 again finds the very scale; and a quantized weight is exact, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEVELS: Final = 255
"""Steps of an activation from its lowest to its highest integer."""
LOWEST: Final = -128
SMALLEST_SCALE: Final = np.float32(2.0**-60)
LEAST_CHANNEL: Final = 2.0**-16
"""A channel of small weights has at least this share of the largest scale of its kernel, so that biases fit int32."""
NEAR_THE_MIDDLE: Final = np.float32(1 / 64)
PER_LEVEL: Final = np.float32(1) / np.float32(LEVELS)
PER_OTHER_LEVEL: Final = np.float32(1) / np.float32(LEVELS - 1)
UPWARDS: Final = np.int32(2**8 - 1 - 8)
"""What makes the bits of a scale round upwards, unless they are at most 8 units of the last place above the grid."""
CLEAN: Final = 2.0**-32
"""Relative error of a reciprocal that makes no difference."""
_MOST_STEPS: Final = 2_048
_DROPPED: Final = 8
"""Bits of the 24 of a float32 that a scale leaves zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """`real = scale * (integer - zero_point)`, with int8 integers."""

    scale: float
    zero_point: int

    @property
    def low(self) -> float:
        """The least real number that it holds."""
        return float(np.float32(self.scale) * np.float32(LOWEST - self.zero_point))

    @property
    def high(self) -> float:
        """The greatest."""
        return float(np.float32(self.scale) * np.float32(LOWEST + LEVELS - self.zero_point))


def coarse(scale: Any) -> Floats:
    """The next scale upwards that has at most 16 significant bits; one that has them but for rounding is taken for it.

    What is given is a product with a reciprocal, such as `PER_LEVEL`: TensorFlow makes one of a division by a constant.
    """
    bits = np.maximum(np.asarray(scale, np.float32), SMALLEST_SCALE).view(np.int32)
    step = np.int32(2**_DROPPED)
    rounded: Floats = ((bits + UPWARDS) & -step).astype(np.int32).view(np.float32)
    return rounded


def nearest(scale: Any) -> Floats:
    """The nearest scale that has at most 16 significant bits."""
    bits = np.maximum(np.asarray(scale, np.float32), SMALLEST_SCALE).view(np.int32)
    step = np.int32(2**_DROPPED)
    rounded: Floats = ((bits + step // 2) & -step).astype(np.int32).view(np.float32)
    return rounded


def with_clean_reciprocal(scale: float) -> np.float32:
    """The next scale upwards whose reciprocal float32 holds almost exactly: see `settling`."""
    bits = coarse(scale).view(np.int32)
    steps = np.arange(_MOST_STEPS, dtype=np.int32) * np.int32(2**_DROPPED)
    found = (bits + steps).astype(np.int32).view(np.float32)
    errors = np.abs((np.float32(1) / found).astype(np.float64) * found.astype(np.float64) - 1)
    return np.float32(found[int(np.argmax(errors < CLEAN)) if (errors < CLEAN).any() else 0])


def affine_of_range(low: float, high: float) -> Affine:
    """The affine map of a range, widened to hold zero, which gets an integer of its own.

    Where zero would lie in the middle between two integers, so may all values (pixels from -1 to 1): runtimes round
    such values in different ways. The range is then a step wider.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    width = np.float32(high) - np.float32(low)
    scale = coarse(width * PER_LEVEL)
    place = -np.float32(low) / scale
    if abs(place - np.floor(place) - np.float32(0.5)) < NEAR_THE_MIDDLE:
        scale = coarse(width * PER_OTHER_LEVEL)
    zero_point = int(np.clip(np.rint(-np.float32(low) / scale), 0, LEVELS)) + LOWEST
    return Affine(scale=float(scale), zero_point=zero_point)


def largest_integer(bits: int) -> int:
    """The largest integer of a symmetric weight: 127 for 8 bits, 7 for 4; the lowest one is not used."""
    return (1 << (bits - 1)) - 1


def reciprocal(number: int) -> np.float32:
    """The float32 nearest to it."""
    return np.float32(np.float32(1) / np.float32(number))


def channel_scales(largest: Floats, bits: int) -> Floats:
    """The scale of each output channel, from the largest magnitude of its weights."""
    scales = np.asarray(largest, np.float32) * reciprocal(largest_integer(bits))
    return coarse(np.maximum(scales, scales.max() * np.float32(LEAST_CHANNEL)))
