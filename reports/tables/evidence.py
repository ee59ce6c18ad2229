"""What calls cost the processor, as its counters and power meters tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.schema.evidence import CallEvidence
from crossrt.reports.schema.records import Report
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet, counted

COLUMNS: Final = ("instructions", "cycles", "instr./cycle", "cache misses", "µJ/sample")
EXPLAINED: Final = (
    "evidence, not a verdict: means of a call with the Python that makes it; energy is that of whole processors, other"
    " processes and idling included"
)
_STEPS: Final = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def evidence_sheet(report: Report) -> Sheet:
    """Each case that was counted; no rows where nothing was."""
    look, found = Lookup(report), report.evidence
    results = {result.case: result for result in report.results}
    several = len({result.batch_size for result in report.results}) > 1
    rows = []
    for each in found.calls if found is not None else ():
        if (result := results.get(each.case)) is not None:
            name = look.label(result) + (f" b{result.batch_size}" if several else "")
            rows.append((Cell(text=name), *evidence_cells(each, result.batch_size)))
    return Sheet(
        title="What a call costs the processor",
        columns=("case", *COLUMNS),
        rows=tuple(rows),
        dropped_first=("cycles", "cache misses"),
        footer=tuple(_footer(found.calls, found.missing)) if found is not None and rows else (),
    ).without_empty(ABSENT)


def evidence_cells(each: CallEvidence, batch_size: int) -> tuple[Cell, ...]:
    """What is known of a call, in the order of `COLUMNS`."""
    ratio = each.instructions / each.cycles if each.instructions is not None and each.cycles else None
    energy = None if each.energy_uj is None else each.energy_uj / batch_size
    texts = (
        _scaled(each.instructions),
        _scaled(each.cycles),
        ABSENT if ratio is None else f"{ratio:.2f}",
        _scaled(each.cache_misses),
        ABSENT if energy is None else f"{energy:,.3g}" if energy < 1000 else f"{energy:,.0f}",
    )
    return tuple(Cell(text=text) for text in texts)


def evidence_lines(each: CallEvidence | None, batch_size: int, missing: Sequence[str]) -> Iterator[str]:
    """The evidence of one call in a line, and what the machine does not show in another."""
    if each is not None:
        told = [
            f"{cell.text} {name}"
            for name, cell in zip(COLUMNS, evidence_cells(each, batch_size), strict=True)
            if cell.text != ABSENT
        ]
        only = ", in user space alone" if each.is_user_only else ""
        yield f"a call costs the processor (mean of {each.calls:,}{only}): {', '.join(told) or 'nothing is known'}"
    if missing:
        yield "; ".join(missing)


def evidence_notes(report: Report) -> Iterator[str]:
    """One line where the machine shows nothing of what was asked for."""
    if report.evidence is not None and not report.evidence.calls and report.evidence.missing:
        yield "; ".join(report.evidence.missing)


def _footer(calls: Sequence[CallEvidence], missing: Sequence[str]) -> Iterator[str]:
    yield EXPLAINED
    if any(each.is_user_only for each in calls):
        yield "counted in user space alone: sudo sysctl kernel.perf_event_paranoid=1 lets the kernel's part be counted"
    if missing:
        yield "; ".join(missing)
    fewest = min(each.calls for each in calls)
    yield f"each over at least {counted(fewest, 'call')} in a process of its own"


def _scaled(value: float | None) -> str:
    if value is None:
        return ABSENT
    step, unit = next(((step, unit) for step, unit in _STEPS if value >= step), (1.0, ""))
    return f"{value / step:.3g}{unit}"
