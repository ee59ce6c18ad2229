"""Test digits as a camera, a scanner or a careless writer would spoil them: ten kinds, five strengths each.

The kinds follow Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (2019), and Mu and Gilmer, "MNIST-C" (2019); strengths are chosen here, so that the weakest hardly shows
and the strongest is still readable. The same seed gives the same digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Images = NDArray[np.float32]
Spoil = Callable[[Images, float, np.random.Generator], Images]

STRENGTHS: Final = (1, 2, 3, 4, 5)


def _gaussian_noise(images: Images, deviation: float, generator: np.random.Generator) -> Images:
    return images + generator.normal(0, deviation, images.shape).astype(np.float32)


def _shot_noise(images: Images, photons: float, generator: np.random.Generator) -> Images:
    return (generator.poisson(images * photons) / photons).astype(np.float32)


def _impulse_noise(images: Images, share: float, generator: np.random.Generator) -> Images:
    hit = generator.random(images.shape) < share
    return np.where(hit, generator.integers(0, 2, images.shape), images).astype(np.float32)


def _blur(images: Images, sigma: float, _: np.random.Generator) -> Images:
    return np.asarray(ndimage.gaussian_filter(images, (0, sigma, sigma, 0)), dtype=np.float32)


def _contrast(images: Images, factor: float, _: np.random.Generator) -> Images:
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray((images - mean) * np.float32(factor) + mean)


def _brightness(images: Images, added: float, _: np.random.Generator) -> Images:
    return images + np.float32(added)


def _rotation(images: Images, degrees: float, generator: np.random.Generator) -> Images:
    def turned(part: Images, sign: int) -> Images:
        return np.asarray(ndimage.rotate(part, sign * degrees, (2, 1), reshape=False, order=1), dtype=np.float32)

    return _each_way(images, generator, turned)


def _shift(images: Images, pixels: float, generator: np.random.Generator) -> Images:
    directions = generator.integers(0, 4, len(images))
    moved = images.copy()
    for direction, (rows, columns) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        chosen = directions == direction
        offset = (0, rows * pixels, columns * pixels, 0)
        moved[chosen] = ndimage.shift(images[chosen], offset, order=1)
    return moved


def _scale(images: Images, share: float, generator: np.random.Generator) -> Images:
    def zoomed(part: Images, sign: int) -> Images:
        factor = 1 + sign * share  # the coordinates' factor: above 1 the digit becomes smaller
        centre = (images.shape[1] - 1) / 2
        matrix = np.diag([1, factor, factor, 1])
        offset = (0, centre * (1 - factor), centre * (1 - factor), 0)
        return np.asarray(ndimage.affine_transform(part, matrix, offset, order=1), dtype=np.float32)

    return _each_way(images, generator, zoomed)


def _occlusion(images: Images, side: float, generator: np.random.Generator) -> Images:
    size, spoilt = int(side), images.copy()
    corners = generator.integers(0, images.shape[1] - size + 1, (len(images), 2))
    for image, (row, column) in zip(spoilt, corners, strict=True):
        image[row : row + size, column : column + size] = 0
    return spoilt


def _each_way(images: Images, generator: np.random.Generator, change: Callable[[Images, int], Images]) -> Images:
    """Half of the images are changed one way, drawn at random, and the others the other way."""
    signs = generator.choice((-1, 1), len(images))
    changed = np.empty_like(images)
    for sign in (-1, 1):
        if (chosen := signs == sign).any():
            changed[chosen] = change(images[chosen], sign)
    return changed


CORRUPTIONS: Final[Mapping[str, tuple[Spoil, tuple[float, ...]]]] = {
    "gaussian-noise": (_gaussian_noise, (0.08, 0.16, 0.24, 0.32, 0.40)),
    "shot-noise": (_shot_noise, (60.0, 25.0, 12.0, 7.0, 4.0)),
    "impulse-noise": (_impulse_noise, (0.02, 0.05, 0.08, 0.12, 0.16)),
    "blur": (_blur, (0.6, 0.9, 1.2, 1.5, 1.8)),
    "contrast": (_contrast, (0.8, 0.6, 0.45, 0.3, 0.2)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "rotation": (_rotation, (8.0, 16.0, 24.0, 32.0, 40.0)),
    "shift": (_shift, (1.0, 2.0, 3.0, 4.0, 5.0)),
    "scale": (_scale, (0.08, 0.16, 0.24, 0.32, 0.40)),
    "occlusion": (_occlusion, (4.0, 6.0, 8.0, 10.0, 12.0)),
}


def corrupted(images: Images, kind: str, strength: int, seed: int) -> Images:
    """Spoilt digits.

    Args:
        images: float32 `(count, 28, 28, 1)` in 0..1; they are left as they are.
        kind: A key of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: Of the noise, and of which digit is changed which way.

    Returns:
        float32 like `images`, in 0..1.
    """
    spoil, amounts = CORRUPTIONS[kind]
    generator = np.random.default_rng([seed, list(CORRUPTIONS).index(kind), strength])
    spoilt = spoil(images, amounts[strength - 1], generator)
    return np.ascontiguousarray(np.clip(spoilt, 0, 1), dtype=np.float32)
