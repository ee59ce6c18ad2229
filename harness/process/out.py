"""Output folders."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from crossrt.harness.errors import HarnessError

_LEAST_BYTES: Final = 2**16
"""A short report."""


def check_writable(folder: Path) -> None:
    """Finds out before the work, not after it, that a folder cannot be written.

    Raises:
        HarnessError: It cannot be made or written.
    """
    try:
        with made_folder(folder), tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LEAST_BYTES))  # an empty file finds room on a full disk
    except OSError as error:
        raise HarnessError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error


@contextmanager
def made_folder(folder: Path, *inner: str) -> Iterator[None]:
    """Makes a folder; of it and of the folders in it that are named, what was missing and stays empty is removed.

    Raises:
        OSError: It cannot be made.
    """
    folders = (*(folder / name for name in inner), folder, *folder.parents)  # what is inside comes first
    missing = [each for each in folders if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for each in missing:
            with suppress(OSError):  # it holds something, or was never made
                each.rmdir()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other runs that ask for the same out of a folder; the system ends that when this process dies.

    Raises:
        HarnessError: Another run writes it now.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HarnessError(
                    f"another run is writing {folder} now: wait for its end, or choose another --out"
                ) from error
        yield
    finally:
        os.close(descriptor)
