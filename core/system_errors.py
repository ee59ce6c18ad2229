"""What the operating system refuses, in words that say what to do."""

from __future__ import annotations

import errno
from typing import Final

FROM_OUTSIDE: Final = (OSError, MemoryError)
"""What the system refuses: no defect of crossrt, and nothing that was asked for wrongly."""

_HINTS: Final = {
    errno.EAGAIN: "no further process or thread can be started: see the limits of processes, ulimit -u and the"
    " container's pids limit",
    errno.EMFILE: "too many open files: allow more with ulimit -n",
    errno.ENFILE: "too many open files on this machine",
    errno.ENOMEM: "out of memory",
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
}


def system_problem(error: BaseException) -> str:
    """What the system refused, of which file, and what to do."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if not isinstance(error, OSError):
        return str(error)
    said = _HINTS.get(error.errno or 0) or error.strerror or str(error)
    return said if error.filename is None else f"{said}: {error.filename}"
