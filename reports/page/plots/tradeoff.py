"""Accuracy against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from crossrt.reports.page.figures import MUTED, dot, legend_below, log_ticks, new_figure
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, bounds, color_of
from crossrt.reports.schema.records import Metric, Report
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted, microseconds_with_interval, share_with_interval
from crossrt.reports.verdicts.choice.pareto import Front, Standing

MOST_LABELS: Final = 12
LEAST_GAP: Final = 0.065
"""Between two labels, as a share of the height."""

CAPTION: Final = (
    "Up and to the left is better. Filled: on the Pareto front of latency, size and accuracy (no other case beats it);"
    " hollow: beaten, be it by a smaller file. The line is the best accuracy at or below a latency. Bars are 95%"
    " intervals; cases answer the same digits, so differences are surer than the vertical bars suggest."
)

Point = tuple[Standing, Metric, Metric]


def tradeoff(report: Report, front: Front) -> Plot | None:
    """One scenario; None where no case has both numbers."""
    look = Lookup(report)
    points = [
        (each, latency, top1)
        for each in front.standings
        if (latency := look.metric(each.result, "latency_p50_ns")) and (top1 := look.metric(each.result, "top1"))
    ]
    if not points:
        return None
    batch_size, threads, io = front.scenario
    named = _named(points)
    beside = [look.label(standing.result) for standing, _, _ in named]
    figure, axes = new_figure(WIDTH_IN, 4.2, beside=beside, has_legend=True)
    axes.set_xscale("log")
    axes.set_title(f"Batch {batch_size}, {counted(threads, 'thread')}{', native' if io == 'native' else ''}")
    axes.set_xlabel("p50 of one call, µs")
    axes.set_ylabel("top-1, %")
    log_ticks(axes.xaxis, [latency.value / 1000 for _, latency, _ in points], "{x:g}")
    _front_line(axes, points)
    runtimes = list(dict.fromkeys(result.runtime for result in report.results))
    for point in points:
        _draw(axes, look, point, color_of(point[0].result.runtime, runtimes))
    _label(axes, look, named, runtimes)
    for runtime in dict.fromkeys(standing.result.runtime for standing, _, _ in points):
        axes.plot([], [], "o", color=color_of(runtime, runtimes), label=runtime)
    legend_below(figure, axes)
    return Plot(name=f"accuracy-latency-b{batch_size}-t{threads}-{io}", figure=figure, caption=CAPTION)


def _front_line(axes: Axes, points: Sequence[Point]) -> None:
    """Steps through the points that are more accurate than all faster ones."""
    steps: list[tuple[float, float]] = []
    for _, latency, top1 in sorted(points, key=lambda point: (point[1].value, -point[2].value)):
        if not steps or 100 * top1.value > steps[-1][1]:
            steps.append((latency.value / 1000, 100 * top1.value))
    slowest = max(latency.value for _, latency, _ in points) / 1000
    xs, ys = zip(*steps, (slowest, steps[-1][1]), strict=True)
    axes.step(xs, ys, where="post", color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def _draw(axes: Axes, look: Lookup, point: Point, color: str) -> None:
    standing, latency, top1 = point
    x, left, right = bounds(latency, 1e-3)
    y, below, above = bounds(top1, 100)
    axes.errorbar([x], [y], xerr=[[left], [right]], yerr=[[below], [above]], fmt="none", ecolor=color, elinewidth=0.7)
    text = f"{look.label(standing.result)}: {microseconds_with_interval(latency)} µs, {share_with_interval(top1)} %"
    dot(axes, x, y, color, is_filled=standing.beaten_by is None, text=text, size=6.5)


def _named(points: Sequence[Point]) -> list[Point]:
    """Those that are named, from top to bottom: all of few cases, of many the unbeaten ones."""
    few = [point for point in points if len(points) <= MOST_LABELS or point[0].beaten_by is None]
    return sorted(few[:MOST_LABELS], key=lambda point: (-point[2].value, -point[1].value))


def _label(axes: Axes, look: Lookup, named: Sequence[Point], runtimes: Sequence[str]) -> None:
    """Names right of the axes, each with a line to its point; the limits of the axes are final from here on."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    places = [axes.transAxes.inverted().transform(axes.transData.transform(_at(point))) for point in named]
    for (standing, _, _), (x, y), row in zip(named, places, _spread([y for _, y in places]), strict=True):
        name, color = look.label(standing.result), color_of(standing.result.runtime, runtimes)
        ends = ([x, 1.015], [y, row])
        axes.plot(*ends, color=color, linewidth=0.7, alpha=0.5, transform=axes.transAxes, clip_on=False, zorder=0)
        axes.text(1.02, row, name, transform=axes.transAxes, va="center", fontsize=8, color=color)


def _at(point: Point) -> tuple[float, float]:
    return point[1].value / 1000, 100 * point[2].value


def _spread(wanted: Sequence[float]) -> list[float]:
    """Places from top to bottom, as near as can be to those wanted, none closer than the least gap."""
    gap = min(LEAST_GAP, 1 / max(len(wanted), 1))
    places: list[float] = []
    for each in wanted:
        places.append(min(each, places[-1] - gap) if places else each)
    lift = max(0.0, -places[-1]) if places else 0.0
    return [place + lift for place in places]
