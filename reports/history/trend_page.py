"""A trend as a page of its own: a figure for each case, and the same tables."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from reports.comparison.sheets import metric_title, short_names
from reports.history.trend import CaseTrend, Trend
from reports.history.trend_text import change_text, overview_sheet, plot_unit, step_sheet, trend_headline, trend_notes
from reports.page.document import Section, document, table
from reports.page.figures import COLORS, as_svg, new_figure

WIDTH_IN, HEIGHT_IN = 9.0, 3.2


def trend_as_page(trend: Trend) -> str:
    """HTML that needs nothing beside it."""
    return document(f"crossrt history: {trend.metric}", list(_sections(trend)))


def _sections(trend: Trend) -> Iterator[Section]:
    sheets = [sheet for sheet in (step_sheet(trend), overview_sheet(trend)) if sheet.rows]
    body = Markup("").join(table(sheet) for sheet in sheets) + _list(trend)
    yield Section(id="summary", title="What changed", lead=trend_headline(trend), body=body)
    names = short_names([case.case for case in trend.cases])
    for number, case in enumerate(trend.cases, start=1):
        yield Section(id=f"case-{number}", title=names[case.case], body=_figure(case))


def _list(trend: Trend) -> Markup:
    items = Markup("").join(Markup("<li>{}</li>").format(note) for note in trend_notes(trend))
    return Markup("<ul>{}</ul>").format(items)


def _figure(case: CaseTrend) -> Markup:
    factor, unit = plot_unit(case)
    runs = range(1, len(case.points) + 1)
    figure, axes = new_figure(WIDTH_IN, HEIGHT_IN)
    axes.plot(runs, [point.value * factor for point in case.points], "o", ms=4, color=COLORS[0], label="run")
    axes.step(runs, [level * factor for level in case.levels()], where="mid", color=COLORS[1], label="level")
    for step in case.steps:
        axes.annotate(
            f"{step.span}\n{change_text(case, step)}",
            (step.index + 0.5, step.after * factor),
            xytext=(4, 8),
            textcoords="offset points",
            fontsize=8,
        )
    axes.margins(y=0.25)
    axes.set_xlabel("run, oldest first")
    axes.set_ylabel(metric_title(case.metric, case.unit) if unit else case.metric)
    axes.legend(loc="best", fontsize=8)
    return as_svg(figure, f"{case.metric} of {case.case} over {len(case.points)} runs, with its levels")
