"""A report on a terminal or in a log, through rich."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from crossrt.core.errors import one_line
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.findings import CAUTION
from crossrt.reports.tables.recording import RecordingConsole
from crossrt.reports.tables.summary import MOST_NOTES, Summary
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import HANGING, Trimmed

MARK: Final = "*"
_GAP: Final = 2
_LEAST_TEXT: Final = 20
"""Characters that a column of running text keeps; it is wrapped at blanks."""

_LEAST_PHRASE: Final = 12
_PHRASE: Final = 30
"""Characters up to which a column holds a few words, which keep no more than the longest of them needs."""

_LEAST_NAME: Final = 34
"""Characters that a name keeps; a longer one goes on in the next line, after one of these signs where it has any."""

_LEAST_WORDS: Final = 24
_LONGEST_LINE: Final = 10_000
_NAME_PART: Final = re.compile(r"[^-_@./:,]*[-_@./:,]*")

_TONES: Final = {"good": "green", "bad": "bold red", "doubt": "yellow"}
_STYLES: Final = {"failed": "bold red", "skipped": "yellow"}


def print_report(report: Report, console: Console, most_notes: int | None = MOST_NOTES) -> None:
    """Prints warnings, all tables, notes and the verdict; no number or name is cut, no meaning is in colour alone.

    Args:
        report: What is printed.
        console: Where to.
        most_notes: How many notes there is room for; None prints all.
    """
    summary = Summary(report)
    print_warnings(report, console)
    for line in summary.headline():
        console.print(_dim(line, console.width))
    for sheet in summary.sheets():
        console.print()
        print_sheet(sheet, console)
    console.print()
    for note in summary.notes(most_notes):
        console.print(_dim(note, console.width))
    console.print()
    for line in summary.verdict():
        console.print(line_of(line, console.width, "bold"))


def print_warnings(report: Report, console: Console) -> None:
    """Prints what speaks against believing a report: above whatever any command prints of it."""
    for line in Summary(report).warnings():
        console.print(line_of(line, console.width, "bold yellow"))


def print_cautions(cautions: Iterable[str], console: Console) -> None:
    """Prints what speaks against believing what follows, above it."""
    for text in cautions:
        line = text if text.startswith(CAUTION) else f"{CAUTION}{text}"
        console.print(line_of(line, console.width, "bold yellow"))


def print_sheet(sheet: Sheet, console: Console) -> None:
    """Prints a table with its footer, and names the columns for which there was too little room."""
    if isinstance(console, RecordingConsole):
        console.keep(sheet)
        return
    shown, dropped = fitted(sheet, console.width)
    console.print(sheet_table(shown, console.width))
    for line in shown.footer:
        console.print(_dim(line, console.width))
    if dropped:
        console.print(_dim(f"not shown for lack of room: {', '.join(dropped)}", console.width))


def print_note(text: str, console: Console) -> None:
    """Prints what a reader must know, less prominently than the rest."""
    console.print(_dim(text, console.width))


def _dim(text: str, width: int) -> Trimmed:
    return line_of(text, width, "dim")


def line_of(text: str, width: int, style: str) -> Trimmed:
    """A sentence; where it takes several lines, all but the first are indented, so that the next one is seen."""
    indent = len(text) - len(text.lstrip(" "))
    whole = whole_names(text, width - HANGING) if cell_len(text) > width else whole_names(text, width)
    return Trimmed(Text(whole, style=style), hanging=indent + HANGING)


def whole_names(text: str, width: int) -> str:
    """Text in which names that are wider than a line are broken at a good place, safe to print."""
    shown = printable(one_line(text))
    indent = " " * (len(shown) - len(shown.lstrip(" ")))
    words = ["\n".join(_pieces(word, width - len(indent))) for word in shown.lstrip(" ").split(" ")]
    return indent + " ".join(words)


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

    Columns go in the order that the table gives, the least important first, until all cells fit on their lines; where
    that is not enough, the others go from the last to the second, except those that the table keeps. Characters of a
    number are never cut.
    """
    dropped: list[str] = []
    droppable = [name for name in sheet.dropped_first if name in sheet.columns]
    droppable += [name for name in reversed(sheet.columns[1:]) if name not in (*droppable, *sheet.kept)]
    while droppable and sheet_width(sheet.without(dropped)) > width:
        dropped.append(droppable.pop(0))
    return sheet.without(dropped), tuple(name for name in sheet.columns if name in dropped)


def sheet_width(sheet: Sheet) -> int:
    """Characters that a line of the table takes at least; names and text go on in the next line."""
    return _whole(_least_widths(sheet))


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * len(widths) - 1


def _natural_widths(sheet: Sheet) -> list[int]:
    """What each column takes where nothing is wrapped."""
    widths = []
    for index, name in enumerate(sheet.columns):
        texts = [printable(one_line(row[index].text)) + MARK * row[index].best for row in sheet.rows]
        widths.append(max(map(cell_len, [name, *texts])))
    return widths


def _least_widths(sheet: Sheet) -> list[int]:
    """What each column keeps: all of a number, and as much of a name as distinguishes it from others."""
    return [
        min(width, _least_of_name(sheet) if index == 0 else _least_of_text(sheet, index, width))
        if _is_wrapped(sheet, index)
        else width
        for index, width in enumerate(_natural_widths(sheet))
    ]


def _least_of_name(sheet: Sheet) -> int:
    """What the first column keeps: less where it holds words, which go on in the next line at blanks."""
    return _LEAST_WORDS if sheet.columns[0] in sheet.wrapped else _LEAST_NAME


def _least_of_text(sheet: Sheet, index: int, width: int) -> int:
    if width > _PHRASE:
        return _LEAST_TEXT
    words = [word for row in sheet.rows for word in printable(one_line(row[index].text)).split()]
    return min(_LEAST_TEXT, max(_LEAST_PHRASE, *map(cell_len, [*words, ""]), cell_len(sheet.columns[index])))


def _is_wrapped(sheet: Sheet, index: int) -> bool:
    return index == 0 or sheet.is_text or sheet.columns[index] in sheet.wrapped


def _widths(sheet: Sheet, width: int) -> list[int]:
    """Widths that fit where they can: the widest of the columns that may be wrapped gives way, names last."""
    natural, leasts = _natural_widths(sheet), _least_widths(sheet)
    widths = [min(each, width) if _is_wrapped(sheet, index) else each for index, each in enumerate(natural)]
    while _whole(widths) > width:
        texts = [index for index in range(len(widths)) if _is_wrapped(sheet, index)]
        can = [index for index in texts if widths[index] > leasts[index]]
        can = can or [index for index in texts if widths[index] > _LEAST_TEXT]
        if not can:
            break
        widths[max(can, key=widths.__getitem__)] -= 1
    return widths


def sheet_table(sheet: Sheet, width: int | None = None) -> Trimmed:
    """A plain table in rich's dress.

    Args:
        sheet: The table.
        width: Of the console, so that names which are too long for it go on in the next line at a good place.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    widths = _natural_widths(sheet) if width is None else _widths(sheet, width)
    for index, name in enumerate(sheet.columns):
        is_text = _is_wrapped(sheet, index) or sheet.is_text
        table.add_column(
            Text(printable(one_line(name))),
            justify="left" if is_text else "right",
            no_wrap=not is_text,
            overflow="fold",
            min_width=None if width is None and is_text else widths[index],
            max_width=None if width is None else widths[index],
        )
    for row in sheet.rows:
        table.add_row(*(_text(_wrapped(cell, room)) for cell, room in zip(row, widths, strict=True)))
    title = Text(whole_names(sheet.title, width or _LONGEST_LINE), style="bold")
    return Trimmed(Group(title, table) if sheet.title else table)


def _wrapped(cell: Cell, room: int) -> Cell:
    text = whole_names(cell.text, room - len(MARK) * cell.best)
    return Cell(text=text, best=cell.best, tone=cell.tone)


def _text(cell: Cell) -> Text:
    text = printable(cell.text)
    if cell.best:
        return Text(text + MARK, style="bold green")
    return Text(text, style=_TONES[cell.tone] if cell.tone else _STYLES.get(cell.text, ""))
