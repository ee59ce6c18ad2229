"""The border where text leaves the process: no text of a file acts on the terminal, or on who reads the log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final, TextIO

from crossrt.reports.text.printable import for_logs

_LONGEST_HEAD: Final = 64


class GuardedStream:
    """A text stream that writes what `for_logs` leaves; rich, whose own escapes it would drop, has `GuardedConsole`.

    Bytes, which are files of other tools, go through `buffer` as they are.
    """

    encoding = "utf-8"  # else click would replace the stream by one of its own; the real one has its own encoding

    def __init__(self, stream: TextIO) -> None:
        self.guarded = stream
        self._head = ""

    def write(self, text: str) -> int:
        """Writes the text; a line may come in parts."""
        if not isinstance(text, str):
            raise TypeError(f"text is expected, not {type(text).__name__}")
        safe, self._head = continued(text, self._head)
        self.guarded.write(safe)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.guarded, name)


def behind(stream: TextIO) -> TextIO:
    """The stream itself where it is guarded."""
    return stream.guarded if isinstance(stream, GuardedStream) else stream


def continued(text: str, head: str) -> tuple[str, str]:
    """A part of a line made safe, and the head for the part after it.

    Args:
        text: What comes next; it may hold several lines.
        head: The beginning, or of a long line the end, of what was written of its line already.
    """
    whole = for_logs(head + text)
    safe = whole[len(head) :] if whole.startswith(head) else f" {for_logs(text)}"
    line = (head + safe).rpartition("\n")[2]
    return safe, line if len(line) <= _LONGEST_HEAD else f"-{line[-_LONGEST_HEAD:]}"


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guards standard output and standard error."""
    with redirect_stdout(GuardedStream(sys.stdout)), redirect_stderr(GuardedStream(sys.stderr)):
        yield
