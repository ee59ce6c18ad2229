"""Lines that end where their text ends: logs and files hold no blanks behind it."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

HANGING: Final = 2
"""Columns by which the second and all further lines of a sentence are indented."""


class Trimmed:
    """Anything as rich draws it, without the blanks at the ends of lines, such as those that fill a table's columns.

    Args:
        drawn: What is drawn.
        hanging: Of a text, columns by which all lines but the first are indented.
    """

    def __init__(self, drawn: RenderableType, *, hanging: int = 0) -> None:
        self.drawn, self.hanging = drawn, hanging

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by rich."""
        drawn = self.drawn
        if self.hanging and isinstance(drawn, Text):
            drawn = _hung(drawn, console, options.max_width, self.hanging)
        for line in console.render_lines(drawn, options, pad=False):
            yield from _trimmed(line)
            yield Segment.line()


def _hung(text: Text, console: Console, width: int, hanging: int) -> Text:
    if cell_len(text.plain) <= width and "\n" not in text.plain:
        return text
    return Text("\n" + " " * hanging).join(text.wrap(console, max(width - hanging, 1)))


def _trimmed(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style, kept[-1].control)
    return kept
