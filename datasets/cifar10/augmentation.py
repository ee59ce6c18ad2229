"""What training does to images: the standard flip and shift, and smaller ones for the first epochs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PADDING = 4
"""Black pixels around an image of 32, of which a window is cut: He et al. 2016, section 4.2."""


def augmented(pixels: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Each image `(side, side, 3)` mirrored with a chance of one half, and shifted, black moving in.

    The shift is up to 4 pixels in both directions for 32, and in proportion for smaller images.
    """
    count, side = pixels.shape[:2]
    margin = max(1, round(PADDING * side / 32))
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    rows, columns = generator.integers(0, 2 * margin + 1, (2, count, 1))
    mirrored = generator.integers(0, 2, (count, 1)).astype(bool)
    along = np.arange(side)
    across = np.where(mirrored, along[::-1], along) + columns
    picked: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], (along + rows)[:, :, None], across[:, None, :]]
    return picked


def resized(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Smaller images, `(count, side, side, 3)`: each new pixel is the mean of the area that it covers."""
    if side == pixels.shape[1]:
        return pixels
    weights = _area_weights(pixels.shape[1], side)
    found = np.empty((len(pixels), side, side, pixels.shape[3]), np.uint8)
    for start in range(0, len(pixels), 1000):
        part = pixels[start : start + 1000].astype(np.float32)
        small = np.einsum("ij,njkc,lk->nilc", weights, part, weights, optimize=True)
        found[start : start + 1000] = np.rint(small)
    return found


def _area_weights(large: int, small: int) -> NDArray[np.float32]:
    """How much of each of `large` pixels lies in each of `small` ones, `(small, large)`; rows sum to 1."""
    edges = np.arange(small + 1) * (large / small)
    places = np.arange(large)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    weights: NDArray[np.float32] = (np.clip(overlap, 0, None) * (small / large)).astype(np.float32)
    return weights
