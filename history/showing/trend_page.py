"""A trend as a page of its own: the changes first, then a figure for each case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from crossrt.history.judging.trend import CaseTrend, Step, Trend
from crossrt.history.showing.trend_text import (
    change_text,
    metric_label,
    overview_sheet,
    step_sheet,
    trend_headline,
    trend_notes,
    trend_title,
)
from crossrt.reports.page.document import Header, Section, document, figure, folded, joined, table
from crossrt.reports.page.figures import COLORS, as_svg, dot, new_figure
from crossrt.reports.text.cells import counted, scale_of, unit_of

WIDTH_IN, HEIGHT_IN = 9.0, 3.0


def trend_as_page(trend: Trend) -> str:
    """HTML that needs nothing beside it."""
    is_worse = any(step.is_worse for case in trend.cases for step in case.steps)
    header = Header(
        verdict=(trend_headline(trend),), facts=tuple(trend_notes(trend)), tone="bad" if is_worse else "good"
    )
    return document(f"crossrt history: {metric_label(trend)}", list(_sections(trend)), header)


def _sections(trend: Trend) -> Iterator[Section]:
    changed = [case for case in trend.cases if case.steps]
    if changed:
        body = joined([table(step_sheet(trend)), *_figures(trend, changed)])
        yield Section(id="changes", title="What changed", body=body)
    yield Section(id="cases", title="All cases", body=table(overview_sheet(trend)))
    steady = [case for case in trend.cases if not case.steps and len(case.points) > 1]
    if steady:
        drawn = joined(_figures(trend, steady))
        body = drawn if not changed else folded(counted(len(steady), "figure"), drawn)
        yield Section(id="steady", title="Cases without a change", body=body)


def _figures(trend: Trend, cases: Sequence[CaseTrend]) -> list[Markup]:
    return [figure(_drawn(trend, case), case.label, _caption(case)) for case in cases]


def _caption(case: CaseTrend) -> str:
    if not case.steps:
        return f"{case.label}: {counted(len(case.points), 'run')}, no change"
    told = "; ".join(f"{change_text(case, step)} in {step.span}" for step in case.steps)
    return f"{case.label}: {told}"


def _is_late(step: Step, case: CaseTrend) -> bool:
    """Whether a label right of a change could leave the figure."""
    return step.index > len(case.points) / 2


def _drawn(trend: Trend, case: CaseTrend) -> Markup:
    factor, unit = scale_of(trend.definition), f" {unit_of(trend.definition)}".rstrip()
    runs = range(1, len(case.points) + 1)
    drawing, axes = new_figure(WIDTH_IN, HEIGHT_IN)
    axes.step(runs, [level * factor for level in case.levels()], where="mid", color=COLORS[1])
    for run, point in zip(runs, case.points, strict=True):
        value = point.value * factor
        said = f"{point.run}, {point.revision or 'no revision'}: {value:.5g}{unit}"
        dot(axes, run, value, COLORS[0], text=said, size=4)
    for step in case.steps:
        axes.annotate(
            step.span,
            (step.index + 0.5, max(step.before, step.after) * factor),
            xytext=(-4 if _is_late(step, case) else 4, 10),
            textcoords="offset points",
            ha="right" if _is_late(step, case) else "left",
            fontsize=8,
        )
    axes.margins(y=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("run, oldest first; the line is the level")
    axes.set_ylabel(trend_title(trend))
    return as_svg(drawing, f"{case.metric} of {case.case} over {counted(len(case.points), 'run')}, with its levels")
