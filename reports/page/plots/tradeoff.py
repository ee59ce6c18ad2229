"""What the task is about against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.page.figures import MUTED, dot, legend_below, new_figure, shortened
from crossrt.reports.page.plots.names import Named, name_points
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, bounds, color_of, safe_name
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.schema.records import Metric, Report
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted, interval_text, scale_of, title_of
from crossrt.reports.verdicts.choice.pareto import Front, Standing

MOST_LABELS: Final = 12

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
    drawn = list(dict.fromkeys(standing.result.runtime for standing, _, _ in points))
    figure, axes = new_figure(WIDTH_IN, 4.2, beside=beside, legend=drawn)
    axes.set_xscale("log")
    axes.set_title(f"Batch {batch_size}, {counted(threads, 'thread')}{', native' if io == 'native' else ''}")
    axes.set_xlabel("p50 of one call, µs")
    axes.set_ylabel(title_of(metric))
    log_ticks(axes.xaxis)
    _front_line(axes, points, metric)
    runtimes = list(dict.fromkeys(result.runtime for result in report.results))
    for point in points:
        _draw(axes, look, point, metric, color_of(point[0].result.runtime, runtimes))
    name_points(axes, [_name(look, point, metric, runtimes) for point in named])
    for runtime in drawn:
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


def _name(look: Lookup, point: Point, metric: MetricDefinition, runtimes: Sequence[str]) -> Named:
    (standing, latency, value), scale = point, scale_of(metric)
    name, color = shortened(look.label(standing.result)), color_of(standing.result.runtime, runtimes)
    return Named(x=latency.value / 1000, y=scale * value.value, name=name, color=color)
