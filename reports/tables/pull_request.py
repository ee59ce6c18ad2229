"""A report, or two compared, as a comment on a pull request: what changed first, everything else folded."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Report
from crossrt.reports.tables.headline import headline
from crossrt.reports.tables.latency import noise_lines
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import Sheet, counted
from crossrt.reports.text.markdown import escaped, sheet_as_markdown
from crossrt.reports.text.printable import printable
from crossrt.reports.verdicts.comparison.findings import Comparison
from crossrt.reports.verdicts.comparison.sheets import NOT_JUDGED, caution_lines, comparison_notes, findings_sheet
from crossrt.reports.verdicts.comparison.sheets import headline as outcome

MOST_CHARACTERS: Final = 65_000
"""GitHub takes 65,536 in a comment."""

MARK: Final = "<!-- crossrt report -->"
"""By this line a job finds its earlier comment."""

_LONGEST_LINE: Final = 2_000
_ROOM_OF_NOTICE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines that stand together; the body is cut from its end where there is too little room."""

    head: tuple[str, ...] = ()
    body: tuple[str, ...]
    tail: tuple[str, ...] = ()

    def fitted(self, room: int) -> list[str]:
        """As many lines as there is room for; nothing where no line of the body has any."""
        frame = sum(len(line) + 1 for line in (*self.head, *self.tail))
        kept: list[str] = []
        for line in self.body:
            frame += len(line) + 1
            if frame > room:
                break
            kept.append(line)
        return [*self.head, *kept, *self.tail] if kept else []


def pull_request_comment(report: Report, comparison: Comparison | None = None) -> str:
    """GitHub-flavoured Markdown of at most 65,000 characters; what has no room is counted at the end.

    Args:
        report: The current report.
        comparison: What became of its baseline, where there is one.
    """
    lines, missing, room = [MARK], 0, MOST_CHARACTERS - _ROOM_OF_NOTICE
    for block in _blocks(report, comparison):
        fitted = block.fitted(room)
        room -= sum(len(line) + 1 for line in fitted)
        missing += len(block.body) - max(0, len(fitted) - len(block.head) - len(block.tail))
        lines += fitted
    if missing:
        lines += ["", f"{counted(missing, 'line')} left out for want of room: the report holds all of it."]
    return "\n".join(lines) + "\n"


def _blocks(report: Report, comparison: Comparison | None) -> Iterator[Block]:
    """The most important first."""
    yield from _verdict(report, comparison)
    yield Block(head=("",), body=_items([*Summary(report).warnings(), *_noise(report)]))
    summary = Summary(report)
    for sheet in summary.sheets():
        yield _folded(sheet.title, _table(sheet))
    if comparison is not None:
        yield _folded("All verdicts", _table(findings_sheet(comparison, everything=True)))
        yield _folded("How it was judged", _items(_judged(comparison)))
    yield _folded("Where and how it was measured", _items([*summary.headline(), *summary.notes(None)]))


def _verdict(report: Report, comparison: Comparison | None) -> Iterator[Block]:
    if comparison is None:
        first, *others = headline(report)
        yield Block(body=(f"### crossrt: {escaped(first)}", "", *_items(others)))
        return
    sides = zip(("baseline", "current"), comparison.subjects, strict=True)
    said = _items([*caution_lines(comparison), *(f"{name}: {subject}" for name, subject in sides)])
    yield Block(body=(f"### crossrt: {escaped(outcome(comparison))}", "", *said))
    changed = findings_sheet(comparison)
    if changed.rows:
        yield Block(head=("",), body=_table(changed))
    if comparison.incomparable:
        yield Block(head=("",), body=_items(f"{NOT_JUDGED}: {reason}" for reason in comparison.incomparable))


def _judged(comparison: Comparison) -> list[str]:
    return [note for note in comparison_notes(comparison, everything=True) if not note.startswith(NOT_JUDGED)]


def _noise(report: Report) -> Iterator[str]:
    look, summary = Lookup(report), Summary(report)
    for scenario in summary.scenarios:
        where = f"batch {scenario[0]}, " if len(summary.scenarios) > 1 else ""
        yield from (where + line for line in noise_lines(look, scenario) if line.startswith("noise"))


def _table(sheet: Sheet) -> tuple[str, ...]:
    return tuple(sheet_as_markdown(sheet))


def _folded(title: str, body: tuple[str, ...]) -> Block:
    summary = f"<summary>{html.escape(printable(title))}</summary>"
    return Block(head=("", "<details>", summary, ""), body=body, tail=("", "</details>"))


def _items(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"- {escaped(line[:_LONGEST_LINE])}" for line in lines)
