"""How much memory a process that reads a model file may take, and how it says that it was too little.

A file of some kilobytes can ask for any amount; the machine, and what else runs on it, must not pay for that.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from crossrt.core.errors import CrossrtError

MEMORY_VARIABLE: Final = "CROSSRT_BUILD_MEMORY"
"""Names the variable that holds another limit, in MiB."""

LOOKING_BYTES: Final = 2 * 2**30
"""What a process may take that looks into a small file: TensorFlow alone takes 0.6 GB."""

BUILDING_BYTES: Final = 8 * 2**30
"""What one may take that converts or quantizes: some calibration methods keep all activations."""

_TIMES_THE_FILE: Final = 12
_MOST_MIB: Final = 2**30
_TOLD: Final = (
    "bad_alloc",
    "ResourceExhausted",
    "OOM when",
    "llocate memory",
    "Unable to allocate",
    "ailed to allocate",
)


def memory_limit(paths: Iterable[Path], least: int) -> int:
    """Bytes of private memory for a process that works on these files or folders.

    Raises:
        CrossrtError: The variable that names another limit holds no number of MiB.
    """
    named = os.environ.get(MEMORY_VARIABLE)
    if not named:
        return least + _TIMES_THE_FILE * sum(map(_size, paths))
    if not named.isascii() or not named.isdecimal() or not 0 < int(named) <= _MOST_MIB:
        raise CrossrtError(f"{MEMORY_VARIABLE} is {named!r}: a number of MiB is expected, such as 16384")
    return int(named) * 2**20


def limit_memory(process: int, limit_bytes: int) -> None:
    """Limits a running process, which has started nothing yet, and writes no core file where it crashes."""
    if not hasattr(resource, "prlimit"):  # not Linux: deadlines alone hold
        return
    for what, most in ((resource.RLIMIT_DATA, limit_bytes), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.prlimit(process, what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.prlimit(process, what, (allowed, allowed))


def out_of_memory(error: BaseException) -> str | None:
    """What to say where an error, or one that led to it, means that memory was not enough; None for others."""
    if not any(isinstance(each, MemoryError) or _tells(each) for each in _chain(error)):
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = "what the machine has" if limit == resource.RLIM_INFINITY else f"{limit // 2**20} MiB"
    return f"out of memory: it needs more than {allowed}; {MEMORY_VARIABLE}=MIB gives it another limit"


def _tells(error: BaseException) -> bool:
    return any(word in f"{type(error).__name__}: {error}" for word in _TOLD)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _size(path: Path) -> int:
    """Of a file or folder; with an ONNX file, whatever lies beside it may be its weights."""
    files = path.rglob("*") if path.is_dir() else path.parent.iterdir() if path.suffix == ".onnx" else [path]
    return sum(each.stat().st_size for each in files if each.is_file())
