"""A trend as tables, notes and plots of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossrt.core.metric import NumberFormat
from crossrt.history.judging.changes import FALSE_ALARM, FEWEST_VALUES
from crossrt.history.judging.selection import SHORT
from crossrt.history.judging.trend import CaseTrend, Step, Trend
from crossrt.reports.statistics.definitions import QUIET
from crossrt.reports.tables.lookup import ABSENT
from crossrt.reports.text.cells import Cell, Sheet, counted, scale_of, unit_of, written
from crossrt.reports.text.printable import printable

PLOT_HEIGHT: Final = 10
MOST_PLOTS: Final = 4
"""Cases beyond which a terminal shows tables alone."""

FEWEST_FOR_NOISE: Final = 3
_MARGIN: Final = 16


def metric_label(trend: Trend) -> str:
    """The metric in words, as every other table has it."""
    return trend.definition.label


def trend_headline(trend: Trend) -> str:
    """The outcome in one sentence."""
    steps = [step for case in trend.cases for step in case.steps]
    worse = sum(step.is_worse for step in steps)
    short = sum(is_too_short(case) for case in trend.cases)
    told = f" {counted(short, 'case')} of {len(trend.cases)} have too few runs to tell." if short else ""
    if not steps and short == len(trend.cases):
        return f"Too few runs to tell a change of {metric_label(trend)}: {FEWEST_VALUES} are needed."
    if not steps:
        return f"No change of {metric_label(trend)} in {counted(len(trend.cases) - short, 'case')}.{told}"
    changed = sum(bool(case.steps) for case in trend.cases)
    return (
        f"{counted(len(steps), 'change')} of {metric_label(trend)} in {changed} of {counted(len(trend.cases), 'case')},"
        f" {worse} to the worse.{told}"
    )


def is_too_short(case: CaseTrend) -> bool:
    """True where too few runs are known for a change of what varies by chance to be seen."""
    return not case.is_exact and len(case.points) < FEWEST_VALUES


def overview_sheet(trend: Trend) -> Sheet:
    """A row for each case: how many runs, where it is now, how steady it is."""
    style = trend.definition.format
    rows = tuple(
        (
            Cell(text=case.label),
            Cell(text=str(len(case.points))),
            Cell(text=written(case.points[0].value, style)),
            Cell(text=written(case.points[-1].value, style)),
            Cell(text=written(case.levels()[-1], style)),
            Cell(text=_noise(case)),
            Cell(text=ABSENT if is_too_short(case) and not case.steps else str(len(case.steps))),
        )
        for case in trend.cases
    )
    columns = ("case", "runs", "oldest", "newest", "level now", "noise", "changes")
    return Sheet(
        title=f"{trend_title(trend)}, over runs", columns=columns, rows=rows, dropped_first=("oldest", "noise", "runs")
    )


def step_sheet(trend: Trend) -> Sheet:
    """A row for each change: between which commits, by how much."""
    rows = tuple(_step_row(trend.definition.format, case, step) for case in trend.cases for step in case.steps)
    columns = ("case", "between", "first run since", "before", "after", "change")
    dropped = ("first run since", "before", "after")
    return Sheet(
        title=f"{trend_title(trend)}: changes of level", columns=columns, rows=rows, is_text=True, dropped_first=dropped
    )


def trend_title(trend: Trend) -> str:
    """The metric with its unit."""
    name = f"{metric_label(trend)} {unit_of(trend.definition)}".strip()
    first = name.partition(" ")[0]
    return name[:1].upper() + name[1:] if first.isalpha() and first.islower() else name


def _step_row(style: NumberFormat, case: CaseTrend, step: Step) -> tuple[Cell, ...]:
    first = case.points[step.index]
    return (
        Cell(text=case.label),
        Cell(text=step.span),
        Cell(text=f"{first.started_at[:16].replace('T', ' ')}  {first.run}"),
        Cell(text=written(step.before, style)),
        Cell(text=written(step.after, style)),
        Cell(text=change_text(case, step), tone="bad" if step.is_worse else "good"),
    )


def change_text(case: CaseTrend, step: Step) -> str:
    """`+5.1% [+4.2, +6.0]`, or the difference in percentage points or in the metric's unit."""
    if case.scale == "ratio" or case.unit == "share":
        digits, sign = (1, "%") if case.scale == "ratio" else (2, " pp")
        text = f"{100 * step.change:+z.{digits}f}{sign}"
        if step.lower is None or step.upper is None:
            return text
        return f"{text} [{100 * step.lower:+z.{digits}f}, {100 * step.upper:+z.{digits}f}]"
    return f"{step.change:+z.3g} {case.unit}".strip()


def _noise(case: CaseTrend) -> str:
    if len(case.points) < FEWEST_FOR_NOISE:
        return ABSENT
    if case.scale == "ratio":
        return f"{case.noise:.1%}"
    return f"{100 * case.noise:.2f} pp" if case.unit == "share" else f"{case.noise:.3g}"


def trend_notes(trend: Trend) -> Iterator[str]:
    """What was left out, and how to read the rest."""
    yield f"environment {trend.environment[:SHORT]}: {trend.machine}"
    for number, what in (
        (trend.others, "of other environments, whose times cannot be compared (--environment chooses one)"),
        (trend.other_data, "on other data, whose answers cannot be compared"),
        (trend.older, "before these (--last takes more)"),
        (trend.interrupted, "marked as interrupted"),
    ):
        if number:
            yield f"left out: {counted(number, 'run')} {what}"
    if any(is_too_short(case) for case in trend.cases):
        yield f"changes of what varies by chance are looked for in {FEWEST_VALUES} runs or more"
    yield from _on_changes(trend)
    yield (
        f"noise: spread from run to run. Where nothing changed, one trend in {1 / FALSE_ALARM:.0f} names a change;"
        " [ ] is a 95% interval of its size"
    )


def _on_changes(trend: Trend) -> Iterator[str]:
    """Of times, that changes are not those of the values that are shown."""
    if trend.definition.judged_by != "rounds":
        return
    quiet = ", of the calls that nothing disturbed" if trend.metric == QUIET else ""
    relative = ", relative to the reference workload, the same in every run, where that is steadier"
    shown = relative if any(case.is_relative for case in trend.cases) else ""
    yield f"values are those of each run's report; changes are looked for in trimmed means over rounds{quiet}{shown}"


def trend_plot(trend: Trend, case: CaseTrend, width: int) -> str:
    """Values of a case over runs, with their levels, as text."""
    from uniplot import plot_to_string

    runs = list(range(1, len(case.points) + 1))
    factor, unit = scale_of(trend.definition), f" {unit_of(trend.definition)}".rstrip()
    return str(
        plot_to_string(
            xs=[runs, runs],
            ys=[[level * factor for level in case.levels()], [point.value * factor for point in case.points]],
            lines=[True, False],
            legend_labels=["level", "run"],
            title=printable(f"{case.case}: {case.metric}"),
            y_unit=unit,
            width=width - _MARGIN,
            height=PLOT_HEIGHT,
            character_set="ascii",
            color=False,
        )
    )
