"""Images as a camera, a scanner or a careless user would corrupt them: ten kinds, five strengths each.

The kinds follow Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (2019), and Mu and Gilmer, "MNIST-C" (2019); strengths are chosen here, so that the weakest hardly shows
and the strongest is still readable. Lengths are in units of a 28th of the shorter side. The same seed gives the same
images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crossrt.core.errors import DataError

Images = NDArray[np.float32]
Corrupt = Callable[[Images, float, np.random.Generator], Images]
Layout = Literal["channels-last", "channels-first", "no-channels"]

STRENGTHS: Final = (1, 2, 3, 4, 5)
_CHANNELS: Final = (1, 3, 4)
_UNIT: Final = 28
_SMALLEST: Final = 8


def layout_of(shape: Sequence[int], dtype: str, asked: Layout | None = None) -> Layout:
    """Where the channels of an image lie.

    Args:
        shape: The shape of one sample.
        dtype: Its dtype.
        asked: What the user says; None to tell by a number of channels of 1, 3 or 4.

    Raises:
        DataError: The samples are not images, or it cannot be told where their channels are.
    """
    found = f"found {dtype} ({', '.join(map(str, shape))})"
    if dtype not in ("float16", "float32", "float64", "uint8") or len(shape) not in (2, 3):
        raise DataError(
            f"samples are not images: expected float or uint8 (height, width, channels), (channels, height, width) or"
            f" (height, width); {found}"
        )
    fitting = _fitting(shape) if asked is None else [asked]
    if len(fitting) != 1:
        what = "1, 3 or 4 channels are expected first or last" if not fitting else "channels may be first or last"
        raise DataError(f"it cannot be told where the channels of an image are: {what}; {found}: give --layout")
    layout = fitting[0]
    if (layout == "no-channels") != (len(shape) == 2):
        raise DataError(f"images with {len(shape)} dimensions cannot have the layout {layout}; {found}")
    height, width = _sides(shape, layout)
    if min(height, width) < _SMALLEST:
        raise DataError(f"images of {height} x {width} are too small to corrupt: {_SMALLEST} x {_SMALLEST} are needed")
    return layout


def _fitting(shape: Sequence[int]) -> list[Layout]:
    if len(shape) == 2:
        return ["no-channels"]
    found: list[Layout] = ["channels-last"] if shape[2] in _CHANNELS else []
    return [*found, "channels-first"] if shape[0] in _CHANNELS else found


def _sides(shape: Sequence[int], layout: Layout) -> tuple[int, int]:
    return (shape[1], shape[2]) if layout == "channels-first" else (shape[0], shape[1])


def _gaussian_noise(images: Images, deviation: float, generator: np.random.Generator) -> Images:
    return images + generator.normal(0, deviation, images.shape).astype(np.float32)


def _shot_noise(images: Images, photons: float, generator: np.random.Generator) -> Images:
    return (generator.poisson(images * photons) / photons).astype(np.float32)


def _impulse_noise(images: Images, share: float, generator: np.random.Generator) -> Images:
    hit = generator.random(images.shape) < share
    return np.where(hit, generator.integers(0, 2, images.shape), images).astype(np.float32)


def _blur(images: Images, sigma: float, _: np.random.Generator) -> Images:
    width = sigma * _length(images)
    return np.asarray(ndimage.gaussian_filter(images, (0, width, width, 0)), dtype=np.float32)


def _contrast(images: Images, factor: float, _: np.random.Generator) -> Images:
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray((images - mean) * np.float32(factor) + mean)


def _brightness(images: Images, added: float, _: np.random.Generator) -> Images:
    return images + np.float32(added)


def _rotation(images: Images, degrees: float, generator: np.random.Generator) -> Images:
    def rotated(part: Images, sign: int) -> Images:
        return np.asarray(ndimage.rotate(part, sign * degrees, (2, 1), reshape=False, order=1), dtype=np.float32)

    return _each_way(images, generator, rotated)


def _shift(images: Images, pixels: float, generator: np.random.Generator) -> Images:
    directions = generator.integers(0, 4, len(images))
    moved = images.copy()
    for direction, (rows, columns) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        chosen = directions == direction
        distance = pixels * _length(images)
        offset = (0, rows * distance, columns * distance, 0)
        moved[chosen] = ndimage.shift(images[chosen], offset, order=1)
    return moved


def _scale(images: Images, share: float, generator: np.random.Generator) -> Images:
    def zoomed(part: Images, sign: int) -> Images:
        factor = 1 + sign * share  # the coordinates' factor: above 1 what is shown becomes smaller
        centres = [(side - 1) / 2 for side in images.shape[1:3]]
        matrix = np.diag([1, factor, factor, 1])
        offset = (0, *(centre * (1 - factor) for centre in centres), 0)
        return np.asarray(ndimage.affine_transform(part, matrix, offset, order=1), dtype=np.float32)

    return _each_way(images, generator, zoomed)


def _occlusion(images: Images, side: float, generator: np.random.Generator) -> Images:
    size, corrupt = max(1, round(side * _length(images))), images.copy()
    rows, columns = (generator.integers(0, length - size + 1, len(images)) for length in images.shape[1:3])
    for image, row, column in zip(corrupt, rows, columns, strict=True):
        image[row : row + size, column : column + size] = 0
    return corrupt


def _length(images: Images) -> float:
    """The unit of lengths, in pixels."""
    return float(min(images.shape[1:3])) / _UNIT


def _each_way(images: Images, generator: np.random.Generator, change: Callable[[Images, int], Images]) -> Images:
    """Half of the images are changed one way, drawn at random, and the others the other way."""
    signs = generator.choice((-1, 1), len(images))
    changed = np.empty_like(images)
    for sign in (-1, 1):
        if (chosen := signs == sign).any():
            changed[chosen] = change(images[chosen], sign)
    return changed


CORRUPTIONS: Final[Mapping[str, tuple[Corrupt, tuple[float, ...]]]] = {
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


def corrupted(
    images: NDArray[Any],
    kind: str,
    strength: int,
    seed: int,
    *,
    layout: Layout = "channels-last",
    value_range: tuple[float, float] = (0.0, 1.0),
) -> NDArray[Any]:
    """Corrupted images.

    Args:
        images: `(count, ...)` floats or uint8; they are left as they are.
        kind: A key of `CORRUPTIONS`.
        strength: 1 to 5.
        seed: Of the noise, and of which image is changed which way.
        layout: Where the channels lie.
        value_range: Least and greatest value of all images.

    Returns:
        Images of the same shape and dtype, within the range.
    """
    corrupt, amounts = CORRUPTIONS[kind]
    generator = np.random.default_rng([seed, list(CORRUPTIONS).index(kind), strength])
    low, high = value_range
    width = (high - low) or 1.0
    plain = np.asarray((_channels_last(images, layout).astype(np.float32) - low) / width, dtype=np.float32)
    changed = np.clip(corrupt(np.clip(plain, 0, 1), amounts[strength - 1], generator), 0, 1) * width + low
    if images.dtype.kind in "iu":
        changed = np.rint(changed)
    return np.ascontiguousarray(_as_before(changed, layout), dtype=images.dtype)


def _channels_last(images: NDArray[Any], layout: Layout) -> NDArray[Any]:
    if layout == "no-channels":
        return images[..., np.newaxis]
    return np.moveaxis(images, 1, -1) if layout == "channels-first" else images


def _as_before(images: NDArray[Any], layout: Layout) -> NDArray[Any]:
    if layout == "no-channels":
        return images[..., 0]
    return np.moveaxis(images, -1, 1) if layout == "channels-first" else images
