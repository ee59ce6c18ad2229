"""Where a run and the processes that it starts leave files: a folder that nobody leaves behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from crossrt.core.scratch import STAGING, owned_folder, remove_abandoned
from crossrt.core.system_errors import system_problem
from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import artifact_cache, cache_folder

PREFIX: Final = "crossrt-run-"

_current: Final[list[Path]] = []


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that lasts as long as a run. Processes that are started meanwhile put their temporary files into it.

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
        yield folder


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
    return {"TMPDIR": str(_current[-1])} if _current else {}
