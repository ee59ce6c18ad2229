"""What became of each machine of a fleet, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from crossrt.reports.schema.records import Report
from crossrt.reports.text.cells import Cell, Sheet, counted
from crossrt.reports.verdicts.exclusive import exclusive_cautions

Outcome = Literal["measured", "kept", "cases failed", "disturbed", "failed", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One machine.

    Attributes:
        outcome: `kept` was measured by an earlier command; `disturbed` has a report, but something else used the
            machine; `failed` and `interrupted` have none.
        text: What is there, or why not.
    """

    machine: str
    outcome: Outcome
    text: str
    cases: int = 0


def row_of(machine: str, report: Report, *, is_kept: bool = False) -> Row:
    """The row of a machine that has a report."""
    ok = sum(each.status == "ok" for each in report.results)
    failed = sum(each.status == "failed" for each in report.results)
    text = f"{ok} of {counted(len(report.results), 'case')} measured"
    outcome: Outcome = "kept" if is_kept else "measured"
    if cautions := list(exclusive_cautions(report)):
        outcome, text = "disturbed", f"{text}; {cautions[0]}"
    elif failed:
        outcome = "cases failed"
        text = f"{text}; {next(each.reason or '' for each in report.results if each.status == 'failed')}"
    return Row(machine=machine, outcome=outcome, text=text, cases=len(report.results))


def sheet_of(rows: Iterable[Row]) -> Sheet:
    """A table of all machines."""
    cells = tuple(
        (Cell(text=each.machine), Cell(text=each.outcome), Cell(text=each.text))
        for each in sorted(rows, key=lambda row: row.machine)
    )
    return Sheet(title="Machines of the fleet", columns=("machine", "outcome", "found"), rows=cells, is_text=True)


def exit_code(rows: Iterable[Row]) -> int:
    """0 if every machine has a report without a failed case that was measured alone; else 1."""
    return 0 if all(each.outcome in ("measured", "kept") for each in rows) else 1
