"""Sums over the weights of a layer that several checks look at, a part that fits into a processor's cache at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.findings.quantized_file import Layer, bits_of

PART: Final = 2**16
"""Codes of a part; sums of so many differences of 8-bit codes are whole numbers that float32 holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSums:
    """Sums of `code - zero point` for each output channel, float64 `(channels,)`.

    Attributes:
        positive: Of those above 0.
        negative: Of those below 0.
        squares: Of their squares.
    """

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    squares: NDArray[np.float64]


def weight_sums(layer: Layer) -> WeightSums:
    """The sums of a layer whose weights are integers with one zero point, or one for each channel."""
    rows, weight = layer.rows(), layer.weight
    assert rows is not None
    assert weight is not None
    zero_point = weight.affine.zero_point.reshape(-1)
    zero_point = zero_point[:, None] if zero_point.size == len(rows) else zero_point[:1, None]
    kind: type[np.floating[Any]] = np.float32 if bits_of(weight.dtype) <= 8 else np.float64
    positive, negative, squares = np.zeros((3, len(rows)))
    for some in parts_of(rows):
        channels = slice(None) if len(zero_point) == 1 else some[0]
        part = rows[some].astype(kind) - zero_point[channels].astype(kind)
        above = np.maximum(part, 0).sum(axis=1)
        positive[some[0]] += above
        negative[some[0]] += part.sum(axis=1) - above
        squares[some[0]] += np.square(part).sum(axis=1)
    return WeightSums(positive=positive, negative=negative, squares=squares)


def parts_of(rows: NDArray[Any]) -> Iterator[tuple[slice, slice]]:
    """Cuts rows into parts of about `PART` values; each part begins at an even column."""
    columns = max(1, min(PART, rows.shape[1]))
    channels = max(1, PART // columns)
    for row in range(0, len(rows), channels):
        for column in range(0, rows.shape[1], columns):
            yield slice(row, row + channels), slice(column, column + columns)
