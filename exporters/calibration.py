"""The digits that calibrate a quantization."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.recipes.recipe import OnnxStatic, Recipe, TfliteStatic


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which digits: `samples` of a split, in an order that `seed` shuffles."""

    samples: int
    seed: int
    split: mnist.Split


def calibration_of(recipe: Recipe) -> Calibration | None:
    """What a recipe is calibrated with, or None where nothing is."""
    if not isinstance(recipe, OnnxStatic | TfliteStatic):
        return None
    return Calibration(recipe.calibration_samples, recipe.calibration_seed, recipe.calibration_split)


def calibration_digits(which: Calibration) -> NDArray[np.float32]:
    """Shipped digits in a fixed random order, float32 `(samples, 28, 28, 1)`."""
    digits = mnist.shipped(which.split).as_input()
    order = np.random.default_rng(which.seed).permutation(len(digits))
    return np.ascontiguousarray(digits[order[: which.samples]])


@cache
def digits_sha256(which: Calibration) -> str:
    """Hash of the float32 bytes of `calibration_digits(which)`."""
    return hashlib.sha256(calibration_digits(which).tobytes()).hexdigest()
