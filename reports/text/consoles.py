"""Rich consoles on which text of a file is text: no markup, no escape sequence and no order to a CI service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from crossrt.reports.text.guard import behind, continued
from crossrt.reports.text.quiet import is_quiet

LOG_WIDTH: Final = 100
LEAST_WIDTH: Final = 20


class GuardedConsole(Console):
    """A console that looks at text after it was laid out, where wrapping decides what begins a line."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Called by rich for whatever is printed, and for its parts."""
        head = ""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                safe, head = continued(segment.text, head)
                yield Segment(safe, segment.style)

    def on_broken_pipe(self) -> None:
        """Leaves it to `main`: rich would exit with 1, which means that something became worse."""
        raise BrokenPipeError


def message_console() -> Console:
    """Where progress goes: standard error, or nowhere."""
    console = _fitting(sys.stderr)
    console.quiet = is_quiet()
    return console


def result_console() -> Console:
    """Where results go: standard output."""
    return _fitting(sys.stdout)


def _fitting(stream: TextIO) -> Console:
    """As wide as the terminal; in a log `LOG_WIDTH` columns, unless COLUMNS says otherwise."""
    console = _console(stream)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console if console.width >= LEAST_WIDTH else _console(stream, LEAST_WIDTH)
    return _console(stream, LOG_WIDTH)


def _console(stream: TextIO, width: int | None = None) -> Console:
    return GuardedConsole(file=behind(stream), width=width, highlight=False, markup=False, emoji=False)
