"""Code of the user's and of other packages, as it is run by processes of its own: limits, and where it failed."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import site
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossrt.core.errors import CrossrtError

TIMEOUT_VARIABLE: Final = "CROSSRT_CODE_TIMEOUT"
"""Environment variable: how many seconds one call of such code may take."""

DEFAULT_TIMEOUT_S: Final = 300.0
_MEMORY_SHARE: Final = 0.8
_OURS: Final = str(Path(__file__).parents[1])


def more_time() -> str:
    """What to do where code was stopped for the time that it took, for the end of a message."""
    return f"{TIMEOUT_VARIABLE}=SECONDS allows more"


def time_limit_s() -> float:
    """How long a call of such code may take.

    Raises:
        CrossrtError: The environment variable holds something else than a number above 0.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "").strip()
    try:
        found = float(text or DEFAULT_TIMEOUT_S)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise CrossrtError(f"{TIMEOUT_VARIABLE} is {text!r}; expected a number of seconds above 0")
    return found


def memory_limit_bytes() -> int:
    """Private memory that such code may have: most of the machine's, so that the rest of a run goes on."""
    return int(_MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def host_fields() -> dict[str, object]:
    """What a job says to `prepare_process`, from the process that starts the other."""
    return {"memory_limit_bytes": memory_limit_bytes(), "sys_path": sys.path}


def prepare_process(sys_path: Sequence[str], memory_limit_bytes: int) -> None:
    """Makes this process one that runs such code: it finds the modules that its parent finds, and is limited.

    Args:
        sys_path: Where the parent looks for modules.
        memory_limit_bytes: Private memory that it may have.
    """
    sys.path += [each for each in sys_path if each and each not in sys.path]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, memory_limit_bytes))
    with contextlib.suppress(OSError):  # where memory runs out, the system ends this process rather than another
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def take_stdin() -> int:
    """A copy of standard input, which is empty from now on: code that asks for input must not read our requests."""
    copy = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return copy


def line_of(error: BaseException) -> str:
    """` (data.py, line 3)`: the last line of the user's own code that an error went through, if that can be told."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if path.endswith(".py") and not _is_library(path):
            found = f" ({Path(path).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _is_library(path: str) -> bool:
    """Whether a file is this package's, the standard library's or an installed one."""
    folders = {sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")}
    return path.startswith((_OURS, *folders, *site.getsitepackages(), "<"))
