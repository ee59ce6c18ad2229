"""One measurement at a time on a machine: two would disturb each other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossrt.harness.cli.shared.progress import Display

_LOOK_EVERY_S = 0.5


@contextmanager
def measuring_alone(path: Path, display: Display) -> Iterator[None]:
    """Waits until no other run of this user measures, and says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _take(file.fileno()):
            display.remark(f"waiting: another crossrt run (process {_owner(path)}) is measuring on this machine")
            while not _take(file.fileno()):
                time.sleep(_LOOK_EVERY_S)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(path: Path) -> str:
    return path.read_text().strip() or "unknown"
