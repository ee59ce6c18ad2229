"""Standard streams that are closed, full or left by their reader: no message is worth a run."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_DESCRIPTORS: Final = (0, 1, 2)
_OUTPUT: Final = 1
OUTPUT_IS_CLOSED: Final = "standard output cannot be written: it is closed"


class _Forgiving(io.RawIOBase):
    """A descriptor of which nobody needs to know whether what is written arrives."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """True if a person may be reading."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        """Writes what can be written; the rest is lost."""
        with suppress(OSError):
            return os.write(self._descriptor, content)
        return memoryview(content).nbytes


def open_closed_streams() -> None:
    """Gives a process that was started without some of its standard streams the null device in their place.

    Otherwise the next file that is opened would be the one that libraries write their messages to. A result that is
    written to a closed standard output is lost, which `left_unwritten` says as of a full disk: that one is only read.
    """
    for number in _DESCRIPTORS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == _OUTPUT else os.O_RDWR)  # takes the lowest free number: this
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - no path, and it stays open
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def forgive_standard_error() -> None:
    """Lets messages be lost that cannot be written, as on a full disk or after `2>&1 | head`."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    raw = io.BufferedWriter(_Forgiving(2))
    sys.stderr = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", line_buffering=True)


def left_unwritten() -> OSError | None:
    """Writes out standard output; why that failed, or None. Python would turn a failure into exit code 120 later."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return error
    return None
