"""CIFAR-10 images and labels in memory, and what ships of them.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError

SIDE: Final = 32
CHANNELS: Final = 3
CLASSES: Final = 10
NAMES: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
Split = Literal["test", "train"]
COUNTS: Final[dict[Split, int]] = {"train": 50_000, "test": 10_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Labelled images: `pixels` uint8 `(count, 32, 32, 3)` in RGB, `labels` uint8 `(count,)` with values 0 to 9."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def as_input(self) -> NDArray[np.float32]:
        """What the models take: float32 `(count, 32, 32, 3)`, scaled to 0..1."""
        return scaled(self.pixels)


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels of 0 to 255 as float32 of 0..1: steps of 1/255, which 8-bit inputs hold exactly."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def checked(pixels: NDArray[Any], labels: NDArray[Any], *, where: str) -> Images:
    """Images and labels as they are read from somewhere.

    Args:
        pixels: Expected to be uint8 `(count, 32, 32, 3)`.
        labels: Integers, `(count,)` or `(count, 1)`.
        where: The file or folder, for messages.

    Raises:
        DataError: A dtype, shape, count or value is not that of CIFAR-10.
    """
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (SIDE, SIDE, CHANNELS) or not len(pixels):
        raise DataError(
            f"{where} holds images {pixels.dtype} {pixels.shape}; expected uint8 (count, {SIDE}, {SIDE}, {CHANNELS})"
        )
    flat = labels.reshape(len(labels)) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.shape != (len(pixels),):
        raise DataError(
            f"{where} holds {len(pixels):,} images and labels of shape {labels.shape}: one each is expected"
        )
    if flat.dtype.kind not in "iu" or flat.min() < 0 or flat.max() >= CLASSES:
        raise DataError(f"{where} holds labels from {flat.min()} to {flat.max()}; CIFAR-10's are 0 to {CLASSES - 1}")
    return Images(pixels=np.ascontiguousarray(pixels), labels=flat.astype(np.uint8))


def joined(parts: list[Images]) -> Images:
    """Several batches as one."""
    return Images(
        pixels=np.concatenate([each.pixels for each in parts]), labels=np.concatenate([each.labels for each in parts])
    )
