"""Arrays larger than memory, a bounded piece at a time: as numbers, and as blocks of whole samples."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError

VALUES: Final = 2**20
"""Values of one piece: its float64 copies and what is computed from them stay within 64 MB."""
INFINITE: Final = sys.float_info.max
"""Stands for an infinite number, or one that cannot be computed: an evaluation holds finite floats only."""


def row_slices(samples: int, width: int) -> Iterator[slice]:
    """Slices of whole samples, each with at most `VALUES` values, or a single sample.

    Args:
        samples: Number of samples.
        width: Values of one sample.
    """
    rows = max(1, VALUES // max(1, width))
    for first in range(0, samples, rows):
        yield slice(first, min(first + rows, samples))


def width_of(array: NDArray[Any]) -> int:
    """Number of values of one sample."""
    return math.prod(array.shape[1:])


def rows_of(array: NDArray[Any], rows: slice) -> NDArray[Any]:
    """Some samples as a matrix, one sample a row: a view where the array is contiguous."""
    return array[rows].reshape(rows.stop - rows.start, width_of(array))


def squeezed(array: NDArray[Any]) -> NDArray[Any]:
    """A view without dimensions of size 1, other than the first."""
    return array.reshape(array.shape[:1] + tuple(size for size in array.shape[1:] if size != 1))


def is_text(array: NDArray[Any]) -> bool:
    """True if an array holds text."""
    return array.dtype.kind in "OUST"


def checked_samples(outputs: Mapping[str, NDArray[Any]]) -> int:
    """Number of samples, the same for all outputs.

    Raises:
        DataError: There are no outputs or no samples, an output is of a dtype that cannot be scored, or outputs have
            different numbers of samples.
    """
    if not outputs:
        raise DataError("there are no outputs to score; a model with at least one output is expected")
    for name, array in outputs.items():
        if array.ndim == 0:
            raise DataError(f"output {name!r} has no dimension for samples; its shape is (); expected (samples, ...)")
        if array.dtype.kind not in "biuf" and not is_text(array):
            raise DataError(f"output {name!r} is {array.dtype}; numbers, booleans or text are expected")
        if array.dtype.kind == "O" and array.size and not isinstance(first := array.flat[0], str | bytes):
            raise DataError(f"output {name!r} holds {type(first).__name__}; numbers, booleans or text are expected")
    counts = {name: len(array) for name, array in outputs.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise DataError(f"outputs have different numbers of samples: {found}; one entry per sample is expected")
    samples = next(iter(counts.values()))
    if not samples:
        raise DataError("the outputs hold no samples; at least one is expected")
    return samples


def finite(value: float) -> float:
    """The number, or ±`INFINITE` in place of an infinite one and of NaN."""
    value = float(value)
    return INFINITE if math.isnan(value) else max(-INFINITE, min(INFINITE, value))


def finite_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """As float32, with its largest number in place of infinite ones and of NaN."""
    most = float(np.finfo(np.float32).max)
    return np.clip(np.nan_to_num(values, nan=most, posinf=most, neginf=-most), -most, most).astype(np.float32)
