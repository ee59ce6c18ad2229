"""A bisection in words and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from crossrt.analysis.bisection.narrowing import range_of
from crossrt.analysis.bisection.record import BisectionReport, Kernels, Step
from crossrt.reports.tables.terminal import print_note, print_sheet
from crossrt.reports.text.cells import Cell, Sheet, Tone, counted, listed

_MOST_KERNELS: Final = 8
_TELLING_SHARE: Final = 0.2
"""Of the change of a whole call, below which a kernel is not blamed."""

_MOST_EXPLAINED: Final = 2
"""Of the change of a whole call, above which the change of a kernel is noise."""

_MOST_PROFILED: Final = 1.3
"""Time of all kernels under a profiler over that of a call without, above which the profiler's own time rules."""


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
    good, bad = ("not compared",) * 2 if report.ends is None else ("good", "bad")
    rows = [(Cell(text=report.good), Cell(text=good), *_dashes())]
    for version in report.releases[1:-1]:
        if (step := measured.get(version)) is not None:
            tone: Tone | None = "doubt" if step.verdict in ("failed", "inconclusive") else None
            rows.append((Cell(text=version), Cell(text=step.verdict, tone=tone), *_figures(step)))
    ends = _dashes() if report.ends is None else _figures(report.ends)
    rows.append((Cell(text=report.bad), Cell(text=bad), *ends))
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
    if report.status == "interrupted":
        yield _interrupted(report)
    by = "answers" if report.by == "answers" else "time of a call"
    if report.status == "no difference":
        yield _no_difference(report)
    elif report.status == "found":
        yield f"{report.runtime} {report.first_bad} changed the {by}: {report.last_good} is still like {report.good}."
    elif report.last_good is not None:
        between = range_of(report.releases, report.steps).open
        yield (
            f"The {by} changed after {report.last_good} and not later than in {report.first_bad}: {listed(between)}"
            f" {'stays' if len(between) == 1 else 'stay'} open."
        )
    for step in report.neighbours:
        yield from _jump(step)
    yield from (f"{step.version}: {step.verdict}: {step.reason}" for step in report.steps if step.reason)


def _interrupted(report: BisectionReport) -> str:
    """What is known although it was interrupted, and how it goes on."""
    goes_on = "the same command, without --fresh, goes on from here"
    if report.ends is None:
        return f"INTERRUPTED before {report.good} and {report.bad} were compared: nothing is known yet; {goes_on}"
    if not report.releases:
        return f"INTERRUPTED after both ends were compared: no release between them is known yet; {goes_on}"
    where = range_of(report.releases, report.steps)
    left = counted(len(where.untried), "release")
    return f"INTERRUPTED: {left} between {where.last_good} and {where.first_bad} not compared yet; {goes_on}"


def _no_difference(report: BisectionReport) -> str:
    """Why there is nothing to bisect, and whether more time could tell."""
    ends, sides = report.ends, f"{report.good} and {report.bad}"
    if ends is None or ends.lower is None or ends.upper is None:
        return f"No difference: {sides} give the same answers within {report.tolerance:g}. There is nothing to bisect."
    size = f"{100 * report.margin:.3g}%"
    found = (
        f"{report.bad} takes {ends.lower:.3f} to {ends.upper:.3f} times as long, from {counted(ends.rounds, 'round')}"
    )
    if 1 / (1 + report.margin) <= ends.lower and ends.upper <= 1 + report.margin:
        return f"No difference: {sides} take the same time within {size} ({found}). There is nothing to bisect."
    return (
        f"No difference that is certain: {sides} may differ by more than {size} of their time ({found}); noise is not"
        " bisected, and a larger --budget may tell more."
    )


def _jump(step: Step) -> Iterator[str]:
    """How much one version takes over the one before it."""
    if step.ratio is not None and step.lower is not None and step.upper is not None:
        yield (
            f"{step.version} takes {step.ratio:.3f} times as long as {step.against}"
            f" ({step.lower:.3f} to {step.upper:.3f})"
        )


def kernel_lines(kernels: Kernels | None) -> Iterator[str]:
    """Which kernel changed, in one sentence."""
    if kernels is None:
        return
    if kernels.problem is not None:
        yield f"Kernels: {kernels.problem}"
        return
    others = [each for each in kernels.changes if each.is_other]
    if others:
        yield (
            f"Kernels: {counted(len(others), 'place')} of the graph {'runs' if len(others) == 1 else 'run'} other"
            f" kernels: {others[0].before or 'nothing'} became {others[0].after or 'nothing'}"
        )
    if not any(each.before_ns is not None for each in kernels.changes):
        if not others:
            yield "Kernels: both versions run the same ones; this runtime does not tell how long each takes"
    elif kernels.change_ns is not None:
        yield from _blame(kernels, kernels.change_ns)


def _blame(kernels: Kernels, call_ns: float) -> Iterator[str]:
    """The kernel in which most of a change of time is, if any."""
    same_way = [each for each in kernels.changes if each.change_ns * call_ns > 0]
    first = max(same_way, key=lambda each: abs(each.change_ns), default=None)
    if first is not None and abs(first.change_ns) > _MOST_EXPLAINED * abs(call_ns):
        yield (
            f"Kernels: none can be blamed: while a profiler looked on, times changed by up to"
            f" {abs(first.change_ns) / 1000:.2f} µs, and a call by {call_ns / 1000:+.2f} µs; the machine was busy, or"
            " the change is small"
        )
    elif first is None or abs(first.change_ns) < _TELLING_SHARE * abs(call_ns):
        yield f"Kernels: none accounts for the {call_ns / 1000:+.2f} µs of a call; the change is outside them"
    else:
        yield (
            f"Kernels: most of the change is in {first.after or first.before}{_named(first.name)},"
            f" {_us(first.before_ns)} to {_us(first.after_ns)} µs: {first.change_ns / 1000:+.2f} of the"
            f" {call_ns / 1000:+.2f} µs of a call"
        )
    total = sum(each.after_ns or 0.0 for each in kernels.changes)
    if kernels.call_ns and total > _MOST_PROFILED * kernels.call_ns:
        yield (
            f"CAUTION: under the profiler these kernels take {total / 1000:.2f} µs, and the whole call without it"
            f" {kernels.call_ns / 1000:.2f} µs: its own time rules here; a larger --batch tells more"
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
