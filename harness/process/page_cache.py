"""The system's page cache: which part of a file it holds, and how to make it let go of one."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np


def drop(files: Iterable[Path]) -> None:
    """Asks the kernel to drop the pages of files; those that a process maps stay (posix_fadvise(2))."""
    for path in files:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def resident_share(files: Sequence[Path]) -> float:
    """The share of the pages of files that are in the page cache, by mincore(2); 1 where the system cannot tell."""
    pages = resident = 0
    for path in files:
        try:
            held = _pages(path)
        except (OSError, ValueError, AttributeError):
            return 1.0
        pages += len(held)
        resident += int(np.count_nonzero(held & 1))
    return resident / pages if pages else 0.0


def _pages(path: Path) -> np.ndarray:
    """A byte for each page of a file: its lowest bit says whether the page is in memory."""
    content = np.memmap(path, np.uint8, "r")
    found = np.zeros(-(-content.size // mmap.PAGESIZE), np.uint8)
    library = ctypes.CDLL(None, use_errno=True)
    address, size, target = ctypes.c_void_p(content.ctypes.data), ctypes.c_size_t(content.size), found.ctypes.data
    if library.mincore(address, size, ctypes.c_void_p(target)):
        raise OSError(ctypes.get_errno(), "mincore")
    return found


def own_libraries(pid: int) -> list[Path]:
    """Files that a process maps and this one does not, such as the libraries of a runtime."""
    return sorted(_mapped(str(pid)) - _mapped("self"))


def _mapped(process: str) -> set[Path]:
    try:
        lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    except OSError:
        return set()
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count("/") and len(line.split(maxsplit=5)) == 6}
    return {path for text in paths if (path := Path(text)).is_file()}
