"""What ends a command, as one message and an exit code; a traceback only where it was asked for."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Final

import click

from crossrt.cli.exit_codes import DEFECT, WRONG
from crossrt.cli.streams import OUTPUT_IS_CLOSED
from crossrt.core.errors import CrossrtError, indented, shortened
from crossrt.core.system_errors import FROM_OUTSIDE, system_problem

DEBUG_VARIABLE: Final = "CROSSRT_DEBUG"


def explained(error: Exception) -> int:
    """Says in one message what the user can fix, or that crossrt has a defect; returns the exit code."""
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    message, code = _message(error)
    click.echo(f"crossrt: {indented(shortened(message))}", err=True)
    return code


def _message(error: Exception) -> tuple[str, int]:
    if isinstance(error, CrossrtError):
        return str(error), error.exit_code
    if isinstance(error, FROM_OUTSIDE):
        return _of_system(error), WRONG
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("crossrt"):
        package = error.name.partition(".")[0]
        return f"{package} is not installed: {sys.executable} -m pip install {package}", WRONG
    return (
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())}\nThis is a defect of crossrt. Please report"
        f" it with the traceback, which the same command prints where {DEBUG_VARIABLE}=1 is set.",
        DEFECT,
    )


def _of_system(error: Exception) -> str:
    """What the system said, and of which file; the cache folder is one that users can choose, and may not know."""
    from crossrt.harness.locations import CACHE_VARIABLE, named_cache_folder

    if isinstance(error, OSError) and error.errno == errno.EBADF and error.filename is None:
        return OUTPUT_IS_CLOSED
    said = system_problem(error)
    name = error.filename if isinstance(error, OSError) else None
    cache = named_cache_folder().absolute()
    path = Path(os.fsdecode(name)).absolute() if isinstance(name, str | bytes) else None
    if path is None or not (path.is_relative_to(cache) or cache.is_relative_to(path)):
        return said
    return f"the cache folder {cache} cannot be used ({said}): name another one with {CACHE_VARIABLE}=FOLDER"
