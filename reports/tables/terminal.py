"""A report on a terminal or in a log, through rich."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossrt.reports.schema.records import Report
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable
from crossrt.reports.text.trimmed import Trimmed

MARK = "*"
_NAME_WIDTH = 20
_TONES = {"good": "green", "bad": "bold red", "doubt": "yellow"}
_STYLES = {"failed": "bold red", "skipped": "yellow"}


def print_report(report: Report, console: Console) -> None:
    """Prints all tables; every column fits 80 characters, and no meaning is in colour alone."""
    summary = Summary(report)
    for line in summary.headline():
        console.print(_dim(line))
    for sheet in summary.sheets():
        console.print()
        console.print(sheet_table(sheet))
        for line in sheet.footer:
            console.print(_dim(line))
    console.print()
    for note in summary.notes():
        console.print(_dim(note))


def _dim(text: str) -> Trimmed:
    return Trimmed(Text(printable(text), style="dim"))


def sheet_table(sheet: Sheet) -> Trimmed:
    """A plain table in rich's dress."""
    table = Table(
        title=printable(sheet.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for index, name in enumerate(sheet.columns):
        is_number = index > 0 and not sheet.is_text
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
            min_width=_least_width(sheet) if index == 0 else None,
        )
    for row in sheet.rows:
        table.add_row(*(_text(cell) for cell in row))
    return Trimmed(table)


def _least_width(sheet: Sheet) -> int:
    """What the first column keeps where there is too little room: names that are cut to single letters say nothing."""
    return min(_NAME_WIDTH, max((len(row[0].text) for row in sheet.rows), default=0))


def _text(cell: Cell) -> Text:
    text = printable(cell.text)
    if cell.best:
        return Text(text + MARK, style="bold green")
    return Text(text, style=_TONES[cell.tone] if cell.tone else _STYLES.get(cell.text, ""))
