"""A report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crossrt.reports.schema.records import Report
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable

_MENTION: Final = re.compile(r"(?<!\w)@(?=\w)")
"""What GitHub takes for a person to be told; the @ of `int8@tflite` is not one."""


def report_as_markdown(report: Report) -> str:
    """All tables and notes of a report; what could be read as markup is escaped."""
    return "\n".join(_lines(Summary(report))) + "\n"


def _lines(summary: Summary) -> Iterator[str]:
    yield from (f"**{escaped(line)}**  " for line in summary.warnings())
    yield from (f"{escaped(line)}  " for line in summary.headline())
    for sheet in summary.sheets():
        yield from ("", f"### {escaped(sheet.title)}", "")
        yield from sheet_as_markdown(sheet)
        yield from (part for line in sheet.footer for part in ("", escaped(line)))
    yield ""
    yield from (f"- {escaped(note)}" for note in summary.notes(None))
    yield from ("", *(f"**{escaped(line)}**  " for line in summary.verdict()))


def sheet_as_markdown(sheet: Sheet) -> Iterator[str]:
    """The lines of a table."""
    yield _row(escaped(name) for name in sheet.columns)
    yield _row("---:" if _is_number(sheet, index) else "---" for index in range(len(sheet.columns)))
    for row in sheet.rows:
        yield _row(_cell(cell) for cell in row)


def _is_number(sheet: Sheet, index: int) -> bool:
    """Whether a column holds numbers: not the first, and none whose cells all begin with a letter."""
    starts = [row[index].text[:1] for row in sheet.rows]
    return index > 0 and not sheet.is_text and not all(start.isalpha() for start in starts)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return f"**{escaped(cell.text)}**" if cell.best else escaped(cell.text)


def escaped(text: str) -> str:
    """Text on one line in which nothing is markup."""
    one_line = printable(" ".join(text.split()))
    for sign in "\\|*_<>`[]~$":
        one_line = one_line.replace(sign, f"\\{sign}")
    return _MENTION.sub("@\N{WORD JOINER}", one_line)
