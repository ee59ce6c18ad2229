"""A fleet on a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from crossrt.fleet.joining.fleet import Group
from crossrt.fleet.joining.sheets import answer_sheet, latency_sheets, machine_sheet, ship_sheet
from crossrt.fleet.joining.words import about, cautions, headline, notes
from crossrt.reports.tables.terminal import line_of, print_cautions, print_note, print_sheet
from crossrt.reports.text.cells import Sheet
from crossrt.reports.text.markdown import escaped, sheet_as_markdown


def sheets_of(group: Group, drop: float) -> Iterator[Sheet]:
    """All tables of a group in the order in which they are read."""
    yield machine_sheet(group)
    yield from latency_sheets(group)
    if (answers := answer_sheet(group)) is not None:
        yield answers
    yield ship_sheet(group, drop)


def print_fleet(groups: Sequence[Group], drop: float, console: Console) -> None:
    """Prints tables, notes and what to ship, for each model and its data."""
    for place, group in enumerate(groups):
        if place:
            console.print()
        print_cautions(cautions(group), console)
        print_note(about(group), console)
        for sheet in sheets_of(group, drop):
            console.print()
            print_sheet(sheet, console)
        console.print()
        for note in notes(group):
            print_note(note, console)
        for line in headline(group, drop):
            console.print(line_of(line, console.width, "bold"))


def fleet_as_markdown(groups: Sequence[Group], drop: float) -> str:
    """The same as GitHub-flavoured Markdown."""
    return "\n".join(line for group in groups for line in _lines(group, drop)).rstrip("\n") + "\n"


def _lines(group: Group, drop: float) -> Iterator[str]:
    yield f"## {escaped(about(group))}"
    yield ""
    yield from (f"**{escaped(line)}**  " for line in (*cautions(group), *headline(group, drop)))
    for sheet in sheets_of(group, drop):
        yield from ("", f"### {escaped(sheet.title)}", "")
        yield from sheet_as_markdown(sheet)
        yield from (part for line in sheet.footer for part in ("", escaped(line)))
    yield ""
    yield from (f"- {escaped(note)}" for note in notes(group))
    yield ""
