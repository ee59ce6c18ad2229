"""A bisection in words and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from crossrt.analysis.bisection.narrowing import range_of
from crossrt.analysis.bisection.record import BisectionReport, Kernels, Step
from crossrt.reports.tables.terminal import print_note, print_sheet
from crossrt.reports.text.cells import Cell, Sheet, counted, listed

_MOST_KERNELS: Final = 8
_TELLING_SHARE: Final = 0.05
"""Of the change of a whole call, below which a kernel is not blamed."""


def print_bisection(report: BisectionReport, console: Console) -> None:
    """The steps, what they come to, and the kernels on both sides."""
    print_sheet(steps_sheet(report), console)
    for line in (*sentences(report), *kernel_lines(report.kernels)):
        console.print(line, markup=False)
    if report.kernels is not None and report.kernels.changes:
        print_sheet(kernel_sheet(report), console)
    for note in report.notes:
        print_note(note, console)


def steps_sheet(report: BisectionReport) -> Sheet:
    """One row a version, from the good end to the bad one."""
    measured = {step.version: step for step in report.steps}
    rows = [(Cell(text=report.good), Cell(text="good"), *_dashes())]
    for version in report.releases[1:-1]:
        if (step := measured.get(version)) is not None:
            tone = "doubt" if step.verdict in ("failed", "inconclusive") else None
            rows.append((Cell(text=version), Cell(text=step.verdict, tone=tone), *_figures(step)))
    ends = _dashes() if report.ends is None else _figures(report.ends)
    rows.append((Cell(text=report.bad), Cell(text="bad"), *ends))
    return Sheet(
        title=f"{report.case} on {report.runtime}, beside {report.good}",
        columns=("version", "verdict", "time", "99% interval", "agreement %", "outputs differ by"),
        rows=tuple(rows),
        dropped_first=("agreement %", "outputs differ by"),
        wrapped=("verdict",),
    ).without_empty("-")


def _dashes() -> tuple[Cell, ...]:
    return tuple(Cell(text="-") for _ in range(4))


def _figures(step: Step) -> tuple[Cell, ...]:
    interval = "-" if step.lower is None or step.upper is None else f"{step.lower:.3f} to {step.upper:.3f}"
    return (
        Cell(text="-" if step.ratio is None else f"× {step.ratio:.3f}"),
        Cell(text=interval),
        Cell(text="-" if step.agreement is None else f"{100 * step.agreement:.2f}"),
        Cell(text="-" if step.relative is None else f"{step.relative:.1e}"),
    )


def sentences(report: BisectionReport) -> Iterator[str]:
    """What was found, first; then what stays open."""
    by = "answers" if report.by == "answers" else "time of a call"
    if report.status == "no difference":
        yield (
            f"No difference: {report.good} and {report.bad} do not differ by more than {report.margin:.3g} of their"
            f" time{_unsure(report)}, nor in their answers. There is nothing to bisect."
        )
    elif report.status == "found":
        yield f"{report.runtime} {report.first_bad} changed the {by}: {report.last_good} is still like {report.good}."
    elif report.last_good is not None:
        between = range_of(report.releases, report.steps).open
        yield (
            f"The {by} changed behind {report.last_good} and not later than in {report.first_bad}: {listed(between)}"
            f" {'stays' if len(between) == 1 else 'stay'} open."
        )
    if report.boundary is not None and report.boundary.ratio is not None and report.ends is not None:
        yield (
            f"{report.first_bad} takes {report.boundary.ratio:.3f} times as long as {report.last_good}; over all"
            f" releases it is {report.ends.ratio or 1:.3f} times."
        )
    yield from (f"{step.version}: {step.verdict}: {step.reason}" for step in report.steps if step.reason)


def _unsure(report: BisectionReport) -> str:
    ends = report.ends
    if ends is None or ends.lower is None or ends.upper is None:
        return ""
    return f" for certain ({ends.lower:.3f} to {ends.upper:.3f} times, from {counted(ends.rounds, 'round')})"


def kernel_lines(kernels: Kernels | None) -> Iterator[str]:
    """Which kernel changed, in one sentence."""
    if kernels is None:
        return
    if kernels.problem is not None:
        yield f"Kernels: {kernels.problem}"
        return
    others = [each for each in kernels.changes if each.is_other]
    call = (kernels.after_call_ns or 0.0) - (kernels.before_call_ns or 0.0)
    blamed = [each for each in kernels.changes if abs(each.change_ns) > _TELLING_SHARE * abs(call)]
    if others:
        yield (
            f"Kernels: {counted(len(others), 'place')} of the graph {'runs' if len(others) == 1 else 'run'} other"
            f" kernels: {others[0].before or 'nothing'} became {others[0].after or 'nothing'}"
        )
    elif not any(each.before_ns is not None for each in kernels.changes):
        yield "Kernels: both versions run the same ones; this runtime does not tell how long each takes"
    elif not blamed:
        yield "Kernels: both versions run the same ones in the same time; the change is outside them"
    if blamed:
        first, total = blamed[0], sum(each.change_ns for each in kernels.changes)
        yield (
            f"Kernels: most of the change is in {first.after or first.before}{_named(first.name)}:"
            f" {_us(first.before_ns)} to {_us(first.after_ns)} µs; all kernels {total / 1000:+.2f} µs, the whole call"
            f" {call / 1000:+.2f} µs, while a profiler looked on"
        )


def kernel_sheet(report: BisectionReport) -> Sheet:
    """The kernels that changed most."""
    kernels = report.kernels
    assert kernels is not None
    rows = tuple(
        (
            Cell(text=each.name or "-"),
            Cell(text=each.before or "-"),
            Cell(text=each.after if each.is_other else "the same"),
            Cell(text=_us(each.before_ns)),
            Cell(text=_us(each.after_ns)),
            Cell(text=f"{each.change_ns / 1000:+.2f}" if each.before_ns is not None else "-"),
        )
        for each in kernels.changes[:_MOST_KERNELS]
    )
    left = len(kernels.changes) - len(rows)
    return Sheet(
        title="",
        columns=("node", f"{report.last_good} runs", f"{report.first_bad} runs", "µs before", "µs after", "change µs"),
        rows=rows,
        footer=(f"{left} more, which changed less",) if left > 0 else (),
        dropped_first=("µs before", "µs after"),
        wrapped=(f"{report.last_good} runs", f"{report.first_bad} runs"),
    )


def _named(name: str) -> str:
    return f" '{name}'" if name else ""


def _us(value_ns: float | None) -> str:
    return "-" if value_ns is None else f"{value_ns / 1000:.2f}"
