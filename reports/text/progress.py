"""What the user sees while a run goes on.

The display is redrawn by hand between steps, never by a thread: nothing may run while something is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from crossrt.core.errors import indented, one_line, shortened
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import HANGING, Trimmed

_REDRAW_EVERY_S = 0.5


class Display(Protocol):
    """Follows a run: phases with a known number of steps, and remarks between them."""

    @property
    def width(self) -> int:
        """Columns of the terminal; 0 where there is none, as in a log."""

    def phase(self, name: str, steps: int | None) -> None:
        """A new phase begins, of so many steps or of nobody knows how many; the one before is over."""

    def step(self, doing: str = "") -> None:
        """One step is done; `doing` says what comes next."""

    def doing(self, what: str) -> None:
        """Says what is going on now."""

    def remark(self, text: str) -> None:
        """A line that stays."""

    def row(self, text: str) -> None:
        """A line that stays and is never broken, such as the row of a table."""

    def below(self, shown: RenderableType) -> None:
        """What stands beneath the bar until the phase is over or something else stands there; nothing in a log."""

    def failure(self, text: str) -> None:
        """A remark on what failed; left out where the command lists failures itself at its end."""


class Silent:
    """Shows nothing."""

    @property
    def width(self) -> int:
        """None."""
        return 0

    def phase(self, name: str, steps: int | None) -> None:
        """Nothing."""

    def step(self, doing: str = "") -> None:
        """Nothing."""

    def doing(self, what: str) -> None:
        """Nothing."""

    def remark(self, text: str) -> None:
        """Nothing."""

    def row(self, text: str) -> None:
        """A remark like others."""
        self.remark(text)

    def below(self, shown: RenderableType) -> None:
        """Nothing."""

    def failure(self, text: str) -> None:
        """A remark like others."""
        self.remark(text)


def _unless_nobody_reads(show: Callable[..., None]) -> Callable[..., None]:
    """A terminal that is gone, a full disk, a reader that has left: nothing of that may end a run."""

    @wraps(show)
    def shown(*arguments: Any, **named: Any) -> None:
        with suppress(OSError):
            show(*arguments, **named)

    return shown


class _Bars(Progress):
    """Bars with something beneath them."""

    beneath: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """Called by rich for whatever is drawn."""
        yield from super().get_renderables()
        if self.beneath is not None:
            yield self.beneath


class Terminal:
    """A progress bar per phase on a terminal; a line per phase in a log."""

    def __init__(self, console: Console, *, tells_failures: bool = True, tells_steps: bool = False) -> None:
        """`tells_steps` writes a line in a log for each thing that is begun, where each may take minutes."""
        self._console, self._tells_failures, self._tells_steps = console, tells_failures, tells_steps
        self._doing = ""
        self._bars = _Bars(
            TextColumn("{task.description:<18}", table_column=Column(no_wrap=True, min_width=18)),
            BarColumn(bar_width=12, table_column=Column(min_width=12)),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=5)),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn(
                "{task.fields[doing]}",
                style="dim",
                markup=False,  # what goes on is named after the user's files
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            console=console,
            auto_refresh=False,
            disable=not console.is_terminal,
            expand=True,
        )
        self._task: TaskID | None = None
        self._drawn_at = 0.0

    @property
    def width(self) -> int:
        """Columns of the terminal; 0 in a log."""
        return 0 if console_is_log(self._console) else self._console.width

    @_unless_nobody_reads
    def phase(self, name: str, steps: int | None) -> None:
        """Starts a bar."""
        self._end_phase()
        if console_is_log(self._console):
            count = "" if steps is None else f" ({steps} step{'s' if steps != 1 else ''})"
            self._console.print(f"{name}{count}", highlight=False)
        self._task = self._bars.add_task(name, total=steps, doing="")
        self._redraw(force=True)

    @_unless_nobody_reads
    def step(self, doing: str = "") -> None:
        """Moves the bar."""
        if self._task is not None:
            self._bars.update(self._task, advance=1, doing=printable(one_line(doing)))
            self._redraw()

    @_unless_nobody_reads
    def doing(self, what: str) -> None:
        """Writes beside the bar."""
        if self._tells_steps and what != self._doing and console_is_log(self._console):
            self._doing = what
            self.row(f"  {what}")
        if self._task is not None:
            self._bars.update(self._task, doing=printable(one_line(what)))
            self._redraw(force=True)

    @_unless_nobody_reads
    def remark(self, text: str) -> None:
        """Prints a line above the bars."""
        for line in printable(indented(shortened(text))).splitlines():
            indent = len(line) - len(line.lstrip(" "))
            self._console.print(Trimmed(Text(line), hanging=indent + HANGING))

    @_unless_nobody_reads
    def row(self, text: str) -> None:
        """Prints a line above the bars as it is."""
        text = printable(one_line(shortened(text)))
        self._console.print(text, highlight=False, markup=False, soft_wrap=console_is_log(self._console))

    @_unless_nobody_reads
    def below(self, shown: RenderableType) -> None:
        """Draws beneath the bars."""
        self._bars.beneath = shown
        self._redraw(force=True)

    def failure(self, text: str) -> None:
        """Prints a line, unless failures are listed at the end."""
        if self._tells_failures:
            self.remark(text)

    def _end_phase(self) -> None:
        self._bars.beneath = None
        if self._task is not None:
            self._bars.update(self._task, doing="")
            self._bars.stop_task(self._task)
            self._redraw(force=True)

    def _redraw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._drawn_at > _REDRAW_EVERY_S:
            self._bars.refresh()
            self._drawn_at = now

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @_unless_nobody_reads
    def _start(self) -> None:
        self._bars.start()

    @_unless_nobody_reads
    def _stop(self) -> None:
        self._end_phase()
        self._bars.stop()


def console_is_log(console: Console) -> bool:
    """True where no bar can move: the output goes to a file or a pipe."""
    return not console.is_terminal
