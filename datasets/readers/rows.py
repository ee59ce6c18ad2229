"""Rows that lie in a file: read by position, never mapped, so that memory stays bounded and no signal is raised."""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.samples import MemoryRows, Rows


class FileRows:
    """Rows of an array whose bytes lie in a file one after the other.

    Args:
        file: Open for reading; it may be closed afterwards.
        where: What the file is, for messages.
        offset: Where the array starts.
        dtype: As stored.
        shape: The whole shape.
    """

    def __init__(
        self, file: IO[bytes], *, where: str, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self._where, self._offset, self._stored = where, offset, dtype
        self.dtype: np.dtype[Any] = dtype.newbyteorder("=")
        self.shape = shape
        self._row_bytes = dtype.itemsize * math.prod(shape[1:])

    def take(self, indices: Sequence[int]) -> NDArray[Any]:
        """Some rows; neighbours are read together."""
        rows = np.empty((len(indices), *self.shape[1:]), self._stored)
        if rows.nbytes:
            target = rows.reshape(-1).view(np.uint8).data
            for position, first, count in _runs(indices):
                start, size = position * self._row_bytes, count * self._row_bytes
                self._read(target[start : start + size], self._offset + first * self._row_bytes)
        return rows.astype(self.dtype, copy=False)

    def _read(self, target: memoryview, offset: int) -> None:
        while target:
            try:
                found = os.preadv(self._descriptor, [target], offset)
            except OSError as error:
                raise DataError(f"{self._where} cannot be read: {error}") from error
            if not found:
                raise DataError(f"{self._where} was cut short while it was in use: {len(target)} bytes are missing")
            target, offset = target[found:], offset + found


class Spool:
    """Collects arrays of one dtype in a temporary file, which is gone as soon as nobody reads it any more.

    Args:
        where: What is collected, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self.file: IO[bytes] = tempfile.TemporaryFile(prefix="crossrt-")  # noqa: SIM115 - closed with the spool
        weakref.finalize(self, self.file.close)
        self._like: NDArray[Any] | None = None
        self._count = 0

    def append(self, rows: NDArray[Any]) -> None:
        """Adds rows.

        Raises:
            DataError: Their dtype or the shape of a sample differs from those before.
        """
        if self._like is None:
            self._like = np.empty((0, *rows.shape[1:]), rows.dtype)
        elif (rows.dtype, rows.shape[1:]) != (self._like.dtype, self._like.shape[1:]):
            raise DataError(
                f"{self._where}: a sample is {rows.dtype} {rows.shape[1:]}, others are {self._like.dtype}"
                f" {self._like.shape[1:]}; all samples must have one dtype and shape"
            )
        self.file.write(np.ascontiguousarray(rows).tobytes())
        self._count += len(rows)

    def rows(self) -> Rows:
        """What was collected; nothing can be added any more."""
        if self._like is None:
            return MemoryRows(np.empty(0, np.float32))
        self.file.flush()
        shape = (self._count, *self._like.shape[1:])
        return FileRows(self.file, where=self._where, offset=0, dtype=self._like.dtype, shape=shape)


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """`(position, first index, count)` of each run of consecutive indices."""
    start = 0
    for position in range(1, len(indices) + 1):
        if position == len(indices) or indices[position] != indices[position - 1] + 1:
            yield start, int(indices[start]), position - start
            start = position
