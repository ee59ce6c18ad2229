"""What the task is about against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.page.figures import MUTED, dot, legend_below, log_ticks, new_figure, shortened
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, bounds, color_of, safe_name
from crossrt.reports.schema.records import Metric, Report
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted, interval_text, scale_of, title_of
from crossrt.reports.verdicts.choice.pareto import Front, Standing

MOST_LABELS: Final = 12
LEAST_GAP: Final = 0.065
"""Between two labels, as a share of the height."""
LINES_END: Final = 1.015
"""Where lines to labels end, as a share of the width."""

CAPTION: Final = (
    "{better} and to the left is better. Filled: on the Pareto front of latency, size and {label} (no other case is"
    " better in one and not worse in another); hollow: beaten, be it by a smaller file. The line is the best {label} at"
    " or below a latency. Bars are 95% intervals; cases answer the same samples, so differences are surer than the"
    " vertical bars suggest."
)

Point = tuple[Standing, Metric, Metric]


def tradeoff(report: Report, front: Front) -> Plot | None:
    """One scenario; None where no case has both numbers."""
    look = Lookup(report)
    metric = look.primary
    points = [] if metric is None else _points(look, front, metric)
    if metric is None or not points:
        return None
    batch_size, threads, io = front.scenario
    named = _named(points)
    beside = [shortened(look.label(standing.result)) for standing, _, _ in named]
    figure, axes = new_figure(WIDTH_IN, 4.2, beside=beside, has_legend=True)
    axes.set_xscale("log")
    axes.set_title(f"Batch {batch_size}, {counted(threads, 'thread')}{', native' if io == 'native' else ''}")
    axes.set_xlabel("p50 of one call, µs")
    axes.set_ylabel(title_of(metric))
    log_ticks(axes.xaxis, [latency.value / 1000 for _, latency, _ in points], "{x:,g}")
    _front_line(axes, points, metric)
    runtimes = list(dict.fromkeys(result.runtime for result in report.results))
    for point in points:
        _draw(axes, look, point, metric, color_of(point[0].result.runtime, runtimes))
    _label(axes, look, named, metric, runtimes)
    for runtime in dict.fromkeys(standing.result.runtime for standing, _, _ in points):
        axes.plot([], [], "o", color=color_of(runtime, runtimes), label=runtime)
    legend_below(figure, axes)
    caption = CAPTION.format(better="Down" if metric.direction == SMALLER else "Up", label=metric.label)
    return Plot(name=f"{_stem(metric)}-latency-b{batch_size}-t{threads}-{io}", figure=figure, caption=caption)


def _stem(metric: MetricDefinition) -> str:
    """Of the names of files."""
    return safe_name(metric.name.replace("_", "-"))


def _points(look: Lookup, front: Front, metric: MetricDefinition) -> list[Point]:
    return [
        (each, latency, value)
        for each in front.standings
        if (latency := look.metric(each.result, "latency_p50_ns")) and (value := look.metric(each.result, metric.name))
    ]


def _front_line(axes: Axes, points: Sequence[Point], metric: MetricDefinition) -> None:
    """Steps through the points that are better than all faster ones."""
    sign, scale = -1 if metric.direction == SMALLER else 1, scale_of(metric)
    steps: list[tuple[float, float]] = []
    for _, latency, value in sorted(points, key=lambda point: (point[1].value, -sign * point[2].value)):
        if not steps or sign * scale * value.value > sign * steps[-1][1]:
            steps.append((latency.value / 1000, scale * value.value))
    slowest = max(latency.value for _, latency, _ in points) / 1000
    xs, ys = zip(*steps, (slowest, steps[-1][1]), strict=True)
    axes.step(xs, ys, where="post", color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def _draw(axes: Axes, look: Lookup, point: Point, metric: MetricDefinition, color: str) -> None:
    standing, latency, value = point
    x, left, right = bounds(latency, 1e-3)
    y, below, above = bounds(value, scale_of(metric))
    axes.errorbar([x], [y], xerr=[[left], [right]], yerr=[[below], [above]], fmt="none", ecolor=color, elinewidth=0.7)
    said = f"{look.text(latency, interval=True)} µs, {title_of(metric)} {interval_text(value, metric)}"
    text = f"{look.label(standing.result)}: {said}"
    dot(axes, x, y, color, is_filled=standing.beaten_by is None, text=text, size=6.5)


def _named(points: Sequence[Point]) -> list[Point]:
    """Those that are named, from top to bottom: all of few cases, of many the unbeaten ones."""
    few = [point for point in points if len(points) <= MOST_LABELS or point[0].beaten_by is None]
    return sorted(few[:MOST_LABELS], key=lambda point: (-point[2].value, -point[1].value))


def _label(axes: Axes, look: Lookup, named: Sequence[Point], metric: MetricDefinition, runtimes: Sequence[str]) -> None:
    """Names right of the axes, each with a line to its point; the limits of the axes are final from here on."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    places = [axes.transAxes.inverted().transform(axes.transData.transform(_at(point, metric))) for point in named]
    box = axes.get_window_extent()
    rows = label_rows([(float(x), float(y)) for x, y in places], box.width / box.height)
    for (standing, _, _), (x, y), row in zip(named, places, rows, strict=True):
        name, color = shortened(look.label(standing.result)), color_of(standing.result.runtime, runtimes)
        ends = ([x, LINES_END], [y, row])
        axes.plot(*ends, color=color, linewidth=0.7, alpha=0.5, transform=axes.transAxes, clip_on=False, zorder=0)
        axes.text(LINES_END + 0.005, row, name, transform=axes.transAxes, va="center", fontsize=8, color=color)


def _at(point: Point, metric: MetricDefinition) -> tuple[float, float]:
    return point[1].value / 1000, scale_of(metric) * point[2].value


def label_rows(points: Sequence[tuple[float, float]], aspect: float) -> list[float]:
    """The height of each point's name, so that no two of the lines to them cross.

    Two lines that cross become shorter in total where they exchange their rows, by the triangle inequality, so none do
    where the total length is the least.

    Args:
        points: Places in the axes, as shares of their width and height.
        aspect: Width over height of the axes.
    """
    from scipy.optimize import linear_sum_assignment  # its import takes long, and only this needs it

    places = np.array(points)
    rows = np.array(spread(sorted(places[:, 1], reverse=True)))
    lengths = np.hypot((LINES_END - places[:, :1]) * aspect, places[:, 1:] - rows)
    return [float(each) for each in rows[linear_sum_assignment(lengths)[1]]]


def spread(wanted: Sequence[float]) -> list[float]:
    """Places from top to bottom, as near as can be to those asked for, none closer than the least gap.

    Places of least squares: neighbours that are too close become a group around its mean.
    """
    gap = min(LEAST_GAP, 1 / max(len(wanted) - 1, 1))
    groups: list[list[float]] = []
    for place, each in enumerate(wanted):
        groups.append([each + place * gap])
        while len(groups) > 1 and fmean(groups[-2]) < fmean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    level = [fmean(group) for group in groups for _ in group]
    places = [each - place * gap for place, each in enumerate(level)]
    lowest = [(len(places) - 1 - place) * gap for place in range(len(places))]
    return [min(max(each, low), 1 - place * gap) for place, (each, low) in enumerate(zip(places, lowest, strict=True))]
