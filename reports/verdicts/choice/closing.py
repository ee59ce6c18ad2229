"""What a report comes to in its last lines: what failed, and what to ship."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.terminal import line_of
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.verdicts.choice.advice import Budget, advise, refusal
from crossrt.reports.verdicts.choice.advice_text import choice_text

DEFAULT_DROP: Final = 0.002
"""What `crossrt advise` allows to be lost where nothing else is said: 0.2 percentage points, or 0.2%."""

_FAILED: Final = "FAILED"
MOST_NAMED: Final = 4
LONGEST_REASON: Final = 160


def closing_lines(report: Report) -> list[str]:
    """What failed, then what to ship, or why nothing can be said of that; each one sentence."""
    return [*_failed(report), *_shipped(report)]


def print_closing(report: Report, console: Console) -> None:
    """Prints them, below everything else that is printed of a report."""
    for line in closing_lines(report):
        style = "bold red" if line.startswith(_FAILED) else "bold"
        console.print(line_of(line, console.width, style))


def _failed(report: Report) -> Iterator[str]:
    """Each reason once."""
    label, reasons = Lookup(report).label, dict[str, list[str]]()
    for result in report.results:
        if result.status == "failed":
            name = label(result)
            names = reasons.setdefault(result.reason or "no reason is known", [])
            names += [name] if name not in names else []
        for outcome in result.scenarios:
            if outcome.status == "failed":
                names = reasons.setdefault(outcome.reason or "no reason is known", [])
                names.append(f"{label(result)} in {outcome.asked}")
    for reason, names in list(reasons.items())[:MOST_NAMED]:
        short = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON].rpartition(' ')[0]} ..."
        yield f"{_FAILED}: {listed(names, MOST_NAMED)}: {short}"
    if len(reasons) > MOST_NAMED:
        yield f"{_FAILED}: {counted(len(reasons) - MOST_NAMED, 'other reason')}, in the table above"


def _shipped(report: Report) -> Iterator[str]:
    """Nothing where a single file was measured: there is no choice."""
    if len({result.subject for result in report.results if result.status == "ok"}) < 2:
        return
    if reason := refusal(report):
        yield f"To ship: no advice, as {reason}"
        return
    budget = Budget(drop=DEFAULT_DROP)
    try:
        advice = advise(report, budget)
    except ReportError:
        return  # answers were not kept sample by sample, or the baseline was not measured
    yield f"To ship: {choice_text(report, advice, budget)}; crossrt advise REPORT takes another budget"
