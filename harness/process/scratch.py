"""Where a run and the processes that it starts leave files: a folder that nobody leaves behind."""

from __future__ import annotations

import os
import signal
import tempfile
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
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # gone, or of somebody else
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


def _tidy_cache() -> None:
    """Removes what runs left in the cache that were killed while they put something into it."""
    artifact_cache().remove_abandoned()
    cache = cache_folder()
    for parent in (cache / "inspections", *(cache / "sources").glob("*")):
        remove_abandoned(parent, STAGING)


def current_scratch() -> Path | None:
    """The folder of the run that goes on, or None."""
    return _current[-1] if _current else None


def temporary_variables() -> dict[str, str]:
    """What makes a child process leave its temporary files where they are removed even if it crashes."""
    return {_VARIABLE: str(_current[-1])} if _current else {}
