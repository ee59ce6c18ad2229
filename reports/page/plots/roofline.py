"""Operations a second against operations for each byte, under the roofs of the machine."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes

from crossrt.reports.page.figures import INK, MUTED, dot, legend_below, new_figure, shortened
from crossrt.reports.page.plots.names import Named, name_points
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, color_of
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.schema.records import Report
from crossrt.reports.schema.roofline import Limits
from crossrt.reports.statistics.roofline import Point, peak_of
from crossrt.reports.tables.roofline import NAMES, point_cells, points_of

CAPTION: Final = (
    "Each point is a case: how many operations a second it reaches (two for each multiply-accumulate), against how many"
    " it has for each byte of weights, inputs and outputs. The sloping line is what memory can feed, the level ones are"
    " the peaks that packages reached here; the gap to the lower of the two is what could still be won. Integers fill"
    " the point, floats leave it hollow. Beside each name: its share of the peak."
)
_MARGIN: Final = 3.0


def roofline(report: Report) -> Plot | None:
    """All cases that were timed and counted; None where there is none."""
    points = points_of(report)
    if report.roofline is None or not points:
        return None
    limits = report.roofline.limits
    beside = [_label(limits, name, point) for name, _, point in points]
    runtimes = list(dict.fromkeys(runtime for _, runtime, _ in points))
    figure, axes = new_figure(WIDTH_IN, 4.4, beside=beside, legend=runtimes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations for each byte")
    axes.set_ylabel("GOP/s")
    reached = [point.ops_per_s / 1e9 for _, _, point in points]
    ridges = [peak.ops_per_s / limits.bandwidth_bytes_per_s for peak in limits.peaks]
    xs = [*(point.intensity for _, _, point in points), *ridges]
    low, high = min(xs) / _MARGIN, max(xs) * _MARGIN
    _roofs(axes, limits, low, high)
    for name, runtime, point in points:
        said = " ".join(cell.text for cell in point_cells(limits, point)[2:4])
        text = f"{name}: {said}% of the peak"
        color = color_of(runtime, runtimes)
        dot(axes, point.intensity, point.ops_per_s / 1e9, color, is_filled=point.dtype == "int8", text=text, size=6.5)
    axes.set_xlim(low, high)
    top = max(peak.ops_per_s for peak in limits.peaks) / 1e9
    axes.set_ylim(min(reached) / _MARGIN, top * _MARGIN)
    log_ticks(axes.yaxis)
    log_ticks(axes.xaxis)
    name_points(axes, [_named(limits, each, runtimes) for each in points])
    for runtime in runtimes:
        axes.plot([], [], "o", color=color_of(runtime, runtimes), label=runtime)
    legend_below(figure, axes)
    return Plot(name="roofline", figure=figure, caption=CAPTION)


def _roofs(axes: Axes, limits: Limits, low: float, high: float) -> None:
    """What memory can feed up to the highest peak, and a level line for each peak."""
    bandwidth = limits.bandwidth_bytes_per_s / 1e9
    highest = max(peak.ops_per_s for peak in limits.peaks) / 1e9
    axes.plot([low, highest / bandwidth], [low * bandwidth, highest], color=INK, linewidth=1.2)
    axes.text(low * 1.4, low * bandwidth * 1.1, f"memory {bandwidth:,.0f} GB/s", ha="left", va="top", fontsize=8)
    for peak in limits.peaks:
        level = peak.ops_per_s / 1e9
        axes.plot([level / bandwidth, high], [level, level], color=MUTED, linewidth=1.2)
        axes.text(level / bandwidth * 1.6, level * 1.06, f"{NAMES[peak.dtype]} {level:,.0f} GOP/s", fontsize=8)


def _label(limits: Limits, name: str, point: Point) -> str:
    peak = peak_of(limits, point.dtype)
    share = "" if peak is None else f" {100 * point.ops_per_s / peak.ops_per_s:.0f}%"
    return shortened(name) + share


def _named(limits: Limits, case: tuple[str, str, Point], runtimes: list[str]) -> Named:
    name, runtime, point = case
    color = color_of(runtime, runtimes)
    return Named(x=point.intensity, y=point.ops_per_s / 1e9, name=_label(limits, name, point), color=color)
