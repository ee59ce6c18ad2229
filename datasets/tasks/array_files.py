"""Outputs and labels as files, for tasks that run in another process."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.datasets.tasks.protocol import Outputs

MOST_LOOSE_FILES: Final = 16


class ArrayFiles:
    """Arrays as files: memory maps are files already, others are written once. It is entered around a request.

    Files of arrays that were not asked for in the last few requests are removed again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="scored-", dir=folder))
        self._written: dict[object, tuple[NDArray[Any], Path]] = {}
        self._staying: set[object] = set()
        self._numbers = count()

    def of(self, arrays: Outputs, *, stays: bool = False) -> dict[str, str]:
        """A file for each output."""
        return {name: self._file(array, stays=stays) for name, array in arrays.items()}

    def of_labels(self, labels: NDArray[Any] | None) -> str | None:
        """The file of the labels."""
        return None if labels is None else self._file(labels, stays=True)

    def _file(self, array: NDArray[Any], *, stays: bool) -> str:
        if _is_whole_file(array):
            return str(array.filename)  # type: ignore[attr-defined]
        key = (array.__array_interface__["data"], array.shape, array.strides, array.dtype.str)
        if stays:
            self._staying.add(key)
        if (known := self._written.pop(key, None)) is None:
            known = array, self._folder / f"{next(self._numbers)}.npy"  # holding the array keeps its address its own
            np.save(known[1], array, allow_pickle=False)
        self._written[key] = known
        return str(known[1])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        loose = [key for key in self._written if key not in self._staying]
        for key in loose[:-MOST_LOOSE_FILES]:
            self._written.pop(key)[1].unlink(missing_ok=True)


def _is_whole_file(array: NDArray[Any]) -> bool:
    """Whether a memory map is all of an `.npy` file, not a part of it."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return False
    path = Path(array.filename)
    if path.suffix != ".npy" or array.offset + array.nbytes != path.stat().st_size:
        return False
    whole = np.load(path, mmap_mode="r", allow_pickle=False)
    return whole.shape == array.shape and whole.dtype == array.dtype and array.flags.c_contiguous
