"""What a command printed with `--json`, on a page: cautions, tables, lines."""

from __future__ import annotations

from typing import Final

from crossrt.reports.page.document import Header, Section, document, joined, render, table
from crossrt.reports.tables.recording import Printed, Table
from crossrt.reports.text.cells import Cell, Sheet

_INDENT: Final = "\N{NO-BREAK SPACE}"
"""In place of spaces in front of a name, which HTML leaves out."""


def printed_page(printed: Printed) -> str:
    """The whole page, to be saved as one file."""
    sections = [Section(id="tables", title="Tables", body=joined([table(_sheet(each)) for each in printed.tables]))]
    if printed.lines:
        sections.append(Section(id="lines", title="Notes", body=render("lines.html", lines=printed.lines)))
    return document(f"crossrt: {printed.tables[0].title}", sections, Header(cautions=printed.cautions))


def _sheet(each: Table) -> Sheet:
    rows = tuple(tuple(Cell(text=_indented(text)) for text in row) for row in each.rows)
    return Sheet(title=each.title, columns=each.columns, rows=rows, footer=each.notes)


def _indented(text: str) -> str:
    left = text.lstrip(" ")
    return _INDENT * (len(text) - len(left)) + left
