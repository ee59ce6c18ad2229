"""A console that keeps what is printed, so that a command's result can be given to programs."""

from __future__ import annotations

import io
from typing import Any, Final, Literal

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from crossrt.reports.tables.findings import CAUTION
from crossrt.reports.text.cells import Sheet
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import Trimmed

_WIDTH: Final = 100_000
"""So wide that nothing is wrapped and no column left out."""


class Table(Struct, frozen=True, kw_only=True):
    """A table: cells as text, in the units that the headings name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


class Printed(Struct, frozen=True, kw_only=True):
    """What a command printed.

    Attributes:
        schema_version: Of this record.
        cautions: What speaks against believing it.
        tables: All tables, with all columns.
        lines: What else it said, in order.
    """

    schema_version: Literal[1] = 1
    cautions: tuple[str, ...]
    tables: tuple[Table, ...]
    lines: tuple[str, ...]


class RecordingConsole(Console):
    """Prints nothing and keeps everything."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=_WIDTH, highlight=False)
        self._sheets: list[Sheet] = []
        self._texts: list[str] = []

    def keep(self, sheet: Sheet) -> None:
        """Takes a table."""
        self._sheets.append(sheet)

    def print(self, *objects: Any, **_: Any) -> None:
        """Takes text."""
        for each in objects:
            drawn = each.drawn if isinstance(each, Trimmed) else each
            text = printable(drawn.plain if isinstance(drawn, Text) else str(drawn)).strip()
            self._texts += [text] if text else []

    def printed(self) -> Printed:
        """Everything so far."""
        cautions = (text.removeprefix(CAUTION).strip() for text in self._texts if text.startswith(CAUTION))
        return Printed(
            cautions=tuple(cautions),
            tables=tuple(map(_table, self._sheets)),
            lines=tuple(text for text in self._texts if not text.startswith(CAUTION)),
        )


def _table(sheet: Sheet) -> Table:
    return Table(
        title=printable(sheet.title),
        columns=tuple(map(printable, sheet.columns)),
        rows=tuple(tuple(printable(cell.text) for cell in row) for row in sheet.rows),
        notes=tuple(map(printable, sheet.footer)),
    )
