"""A report on a terminal or in a log, through rich."""

from __future__ import annotations

import re
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from crossrt.reports.schema.records import Report
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import Trimmed

MARK: Final = "*"
_GAP: Final = 2
_LEAST_TEXT: Final = 20
"""Characters that a column of running text keeps; it is wrapped at blanks."""

_LEAST_NAME: Final = 34
"""Characters that a name keeps; a longer one goes on in the next line, after one of these signs where it has any."""

_NAME_PART: Final = re.compile(r"[^-_@./]*[-_@./]*")

_TONES: Final = {"good": "green", "bad": "bold red", "doubt": "yellow"}
_STYLES: Final = {"failed": "bold red", "skipped": "yellow"}


def print_report(report: Report, console: Console) -> None:
    """Prints warnings, all tables, notes and the verdict; no number or name is cut, no meaning is in colour alone."""
    summary = Summary(report)
    for line in summary.warnings():
        console.print(Text(printable(line), style="bold yellow"))
    for line in summary.headline():
        console.print(_dim(line, console.width))
    for sheet in summary.sheets():
        console.print()
        print_sheet(sheet, console)
    console.print()
    for note in summary.notes():
        console.print(_dim(note, console.width))
    console.print()
    for line in summary.verdict():
        console.print(Trimmed(Text(whole_names(line, console.width), style="bold")))


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Prints a table with its footer, and names the columns for which there was too little room."""
    shown, dropped = fitted(sheet, console.width)
    console.print(sheet_table(shown, console.width))
    for line in sheet.footer:
        console.print(_dim(line, console.width))
    if dropped:
        console.print(_dim(f"not shown for lack of room: {', '.join(dropped)}", console.width))


def _dim(text: str, width: int) -> Trimmed:
    return Trimmed(Text(whole_names(text, width), style="dim"))


def whole_names(text: str, width: int) -> str:
    """Text in which names that are wider than a line are broken at a good place, safe to print."""
    return " ".join("\n".join(_pieces(word, width)) for word in printable(text).split(" "))


def _pieces(name: str, room: int) -> list[str]:
    """A name in pieces that have room, each but the last ending in a sign that joins parts of names."""
    if cell_len(name) <= room:
        return [name]
    lines = [""]
    for part in _NAME_PART.findall(name):
        if lines[-1] and cell_len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return lines


def fitted(sheet: Sheet, width: int) -> tuple[Sheet, tuple[str, ...]]:
    """The table without the columns that have no room, and their names.

    Columns go in the order that the table gives, the least important first, until all cells fit on their lines.
    """
    dropped: list[str] = []
    droppable = [name for name in sheet.dropped_first if name in sheet.columns]
    while droppable and sheet_width(sheet.without(dropped)) > width:
        dropped.append(droppable.pop(0))
    return sheet.without(dropped), tuple(name for name in sheet.columns if name in dropped)


def sheet_width(sheet: Sheet) -> int:
    """Characters that a line of the table takes; running text and long names can be wrapped."""
    widths = []
    for index, name in enumerate(sheet.columns):
        texts = [name, *(printable(row[index].text) + MARK * row[index].best for row in sheet.rows)]
        widest = max(map(cell_len, texts))
        most = _LEAST_TEXT if _is_wrapped(sheet, index) else _LEAST_NAME if index == 0 else widest
        widths.append(min(widest, most))
    return sum(widths) + _GAP * len(widths) - 1


def _is_wrapped(sheet: Sheet, index: int) -> bool:
    return sheet.is_text and index == len(sheet.columns) - 1


def sheet_table(sheet: Sheet, width: int | None = None) -> Trimmed:
    """A plain table in rich's dress.

    Args:
        sheet: The table.
        width: Of the console, so that names which are too long for it go on in the next line at a good place.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, _GAP - 1, 0, 0),
        show_edge=False,
    )
    for index, name in enumerate(sheet.columns):
        is_number = index > 0 and not sheet.is_text
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
            min_width=_least_width(sheet, index),
        )
    room = _room_of_names(sheet, width)
    for row in sheet.rows:
        table.add_row(_text(_wrapped(row[0], room)), *(_text(cell) for cell in row[1:]))
    title = Text(printable(sheet.title), style="bold")
    return Trimmed(Group(title, table) if sheet.title else table)


def _room_of_names(sheet: Sheet, width: int | None) -> int | None:
    """Characters that the first column has beside all others."""
    if width is None or sheet.is_text or not sheet.rows:
        return None
    others = Sheet(
        title="", columns=("", *sheet.columns[1:]), rows=tuple((Cell(text=""), *row[1:]) for row in sheet.rows)
    )
    return max(_LEAST_TEXT, width - sheet_width(others))


def _wrapped(cell: Cell, room: int | None) -> Cell:
    if room is None or cell_len(cell.text) <= room:
        return cell
    return Cell(text="\n".join(_pieces(printable(cell.text), room)), best=cell.best, tone=cell.tone)


def _least_width(sheet: Sheet, index: int) -> int:
    """What a column keeps: all of a number, and of a name as much as tells it from others."""
    texts = [printable(row[index].text) + MARK * row[index].best for row in sheet.rows]
    widest = max(map(cell_len, [sheet.columns[index], *texts]))
    return min(widest, _LEAST_TEXT) if index == 0 or sheet.is_text else widest


def _text(cell: Cell) -> Text:
    text = printable(cell.text)
    if cell.best:
        return Text(text + MARK, style="bold green")
    return Text(text, style=_TONES[cell.tone] if cell.tone else _STYLES.get(cell.text, ""))
