"""What can go wrong in a run."""

from __future__ import annotations

import errno
from typing import Final

from crossrt.core.errors import CrossrtError


class HarnessError(CrossrtError):
    """A run cannot start or go on; the message says what, what was found and what to do."""


class ArmFailedError(HarnessError):
    """A side of an A/B comparison failed: its file was not made, it crashed or hung, or answers too differently."""

    exit_code = 1


LONGEST_REASON = 1_000
LONGEST_MESSAGE = 4_000


def shortened(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text without its end where it is too long to be read."""
    return text if len(text) <= longest else f"{text[:longest]} [...]"


class ChildFailedError(Exception):
    """A child process crashed, hung or broke off; it becomes the reason of a failed case.

    Attributes:
        reason: One line.
        stderr_tail: The last lines that the process wrote to standard error.
    """

    def __init__(self, reason: str, stderr_tail: str) -> None:
        super().__init__(reason)
        self.reason = shortened(reason, LONGEST_REASON)
        self.stderr_tail = stderr_tail


class NoAnswerError(ChildFailedError):
    """A child process did not answer in time: it was killed."""


class NotInstalledError(ChildFailedError):
    """A runtime's package is missing: its cases are skipped, not failed."""


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
