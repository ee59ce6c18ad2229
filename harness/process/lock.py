"""One measurement at a time on a machine: two would disturb each other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossrt.harness.cli.shared.progress import Display
from crossrt.harness.locations import CACHE_VARIABLE

_LOOK_EVERY_S = 0.5


@contextmanager
def measuring_alone(path: Path, display: Display) -> Iterator[None]:
    """Waits until no other run of this user measures, and says so; where that cannot be known, it is said as well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:  # measuring needs nothing else of the cache
        display.remark(
            f"  the cache folder {path.parent} cannot be written ({error.strerror}): another crossrt run at the same"
            f" time would not be noticed; {CACHE_VARIABLE}=FOLDER names another"
        )
        yield
        return
    with file:
        if not _take(file.fileno()):
            display.remark(f"waiting: another crossrt run (process {_owner(path)}) is measuring on this machine")
            while not _take(file.fileno()):
                time.sleep(_LOOK_EVERY_S)
        with suppress(OSError):  # a full disk
            file.truncate(0)
            os.pwrite(file.fileno(), str(os.getpid()).encode(), 0)
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> str:
    return path.read_text().strip() or "unknown"
