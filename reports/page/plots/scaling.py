"""Throughput against batch size."""

from __future__ import annotations

from typing import Final

from crossrt.reports.page.figures import new_figure, shortened, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, bounds, color_of
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted

CAPTION: Final = (
    "Samples per second, batch size over p50; bars are 95% intervals. A colour is a runtime, a marker a variant. Both"
    " axes are logarithmic: a line that falls means that larger batches cost more than they save."
)
MARKERS: Final = "osD^vP*X<>phd8"

Point = tuple[Result, Metric]


def scaling(report: Report) -> Plot | None:
    """One line for each file and runtime; None where one batch size was measured."""
    look = Lookup(report)
    lines = {name: points for name, points in _lines(report, look).items() if len(points) > 1}
    if not lines:
        return None
    beside = [f"--o-- {shortened(name)}" for name in lines]
    figure, axes = new_figure(WIDTH_IN, max(4.2, 0.22 * len(lines)), beside=beside)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("batch size, samples")
    axes.set_ylabel("samples/s")
    axes.set_xticks(sorted({result.batch_size for points in lines.values() for result, _ in points}))
    axes.xaxis.set_major_formatter("{x:g}")
    log_ticks(axes.yaxis)
    runtimes = list(dict.fromkeys(result.runtime for result in report.results))
    variants = list(dict.fromkeys(_variant(result) for result in report.results))
    for name, points in sorted(lines.items(), key=lambda line: -line[1][-1][1].value):
        (result, _), numbers = points[0], [bounds(metric, 1) for _, metric in points]
        line = axes.errorbar(
            [each.batch_size for each, _ in points],
            [value for value, _, _ in numbers],
            yerr=[[below for _, below, _ in numbers], [above for _, _, above in numbers]],
            color=color_of(result.runtime, runtimes),
            marker=MARKERS[variants.index(_variant(result)) % len(MARKERS)],
            markersize=4.5,
            linewidth=1.2,
            label=shortened(name),
        )
        tip(line.lines[0], name)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return Plot(name="throughput-batch", figure=figure, caption=CAPTION)


def _variant(result: Result) -> tuple[str, str]:
    return result.model, result.variant or result.artifact


def _lines(report: Report, look: Lookup) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    is_threaded = len({result.threads for result in report.results}) > 1
    for result in sorted(report.results, key=lambda result: result.batch_size):
        if result.status == "ok" and (metric := look.metric(result, "throughput_per_s")):
            name = look.label(result) + (f", {counted(result.threads, 'thread')}" if is_threaded else "")
            found.setdefault(name, []).append((result, metric))
    return found
