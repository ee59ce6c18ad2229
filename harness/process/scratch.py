"""Where a run and the processes that it starts leave files: a folder that nobody leaves behind."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from crossrt.core.scratch import STAGING, owned_folder, remove_abandoned
from crossrt.core.system_errors import system_problem
from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import artifact_cache, cache_folder

PREFIX: Final = "crossrt-run-"
_VARIABLE: Final = "TMPDIR"
_MOST_PASSES: Final = 50
_PASS_S: Final = 0.01

_current: Final[list[Path]] = []


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that lasts as long as a run. Processes that are started meanwhile put their temporary files into it.

    Those that still live at its end are killed, in whatever session they are: code of the user's may start such ones.

    Raises:
        HarnessError: It cannot be made.
    """
    _tidy_cache()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(owned_folder(Path(tempfile.gettempdir()), PREFIX))
        except OSError as error:
            raise HarnessError(
                f"no folder for temporary files ({system_problem(error)}): set TMPDIR to another"
            ) from error
        _current.append(folder)
        stack.callback(_current.remove, folder)
        stack.callback(_end_those_of, folder)
        yield folder


def _end_those_of(folder: Path) -> None:
    """Kills processes that were started with this folder as the one of their temporary files, and what they started."""
    mark = f"{_VARIABLE}={folder}".encode()
    for _ in range(_MOST_PASSES):  # one that is about to start another is found in the next pass
        found = [pid for pid in _processes() if _may_have(pid, mark)]
        if not found:
            return
        for pid in found:
            with suppress(OSError):  # gone meanwhile
                if mark in _environment(pid):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(_PASS_S)


def _processes() -> list[int]:
    try:
        return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]
    except OSError:  # a system without it
        return []


def _may_have(pid: int, mark: bytes) -> bool:
    """True for a process with this variable, and for one that is just being started: its environment is still empty."""
    try:
        environment = _environment(pid)
        return mark in environment or (environment == [b""] and _has_memory(pid))
    except OSError:  # gone, or of somebody else
        return False


def _environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def _has_memory(pid: int) -> bool:
    """False for zombies and threads of the kernel, which never have an environment."""
    return b"\nVmSize:" in Path(f"/proc/{pid}/status").read_bytes()


def _tidy_cache() -> None:
    """Removes what runs left in the cache that were killed while they put something into it."""
    artifact_cache().remove_abandoned()
    cache = cache_folder()
    for parent in (cache / "inspections", cache / "environments", *(cache / "sources").glob("*")):
        remove_abandoned(parent, STAGING)


def current_scratch() -> Path | None:
    """The folder of the run that goes on, or None."""
    return _current[-1] if _current else None


def temporary_variables() -> dict[str, str]:
    """What makes a child process leave its temporary files where they are removed even if it crashes."""
    return {_VARIABLE: str(_current[-1])} if _current else {}
