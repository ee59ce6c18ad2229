"""Latency distributions, case by case and round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from crossrt.reports.page.figures import GRID, PAPER, new_figure, shortened, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, color_of
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.contrasts import calls_of
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.cells import counted

ROW_IN: Final = 0.36
ROUND_IN: Final = 0.03
PERCENTS: Final = (10, 25, 50, 75, 90)
WIDEST: Final = 0.6
"""How far lines are followed, as a share of the case's median; every median is in the picture."""

CAPTION: Final = (
    "Each case is a band, each line in it a round (a fresh process), the first on top: from the 10th to the 90th"
    " percentile of its calls, thick from the 25th to the 75th, with a dot at the median, all relative to the median of"
    " the case's rounds. Dots that wander from top to bottom are drift; dots that jump are memory layout. A line that"
    " ends at the edge continues beyond it."
)


def distributions(report: Report, scenario: Scenario) -> Plot | None:
    """All timed cases of one scenario; None where there are none."""
    look = Lookup(report)
    results = [result for result in report.results if scenario_of(result) == scenario and result.rounds]
    timed = [result for result in results if result.status == "ok"]
    if not timed:
        return None
    batch_size, threads, io = scenario
    names = [_name(look, result) for result in timed]
    height = 0.9 + (ROW_IN + ROUND_IN * len(timed[0].rounds)) * len(timed)
    figure, axes = new_figure(WIDTH_IN, height, names=names)
    runtimes = list(dict.fromkeys(result.runtime for result in report.results))
    spans = [_draw(axes, row, result, color_of(result.runtime, runtimes)) for row, result in enumerate(timed)]
    axes.set_title(f"Batch {batch_size}, {counted(threads, 'thread')}{', native' if io == 'native' else ''}")
    axes.set_xlabel("latency of a call, % above or below the median of its case")
    axes.set_yticks(range(len(timed)), names)
    axes.set_ylim(len(timed) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.hlines(np.arange(1, len(timed)) - 0.5, -1000, 1000, color=GRID, linewidth=0.7)
    left, right = min(span[0] for span in spans), max(span[1] for span in spans)
    axes.set_xlim(100 * (left - 0.02), 100 * (right + 0.02))
    return Plot(name=f"latency-rounds-b{batch_size}-t{threads}-{io}", figure=figure, caption=CAPTION)


def _name(look: Lookup, result: Result) -> str:
    metric = look.metric(result, "latency_p50_ns")
    name = shortened(look.label(result))
    return f"{name}  {look.text(metric)} µs" if metric else name


def _draw(axes: Axes, row: int, result: Result, color: str) -> tuple[float, float]:
    """Draws a band, and returns from where to where it reaches, as shares."""
    levels = np.maximum([np.percentile(calls_of(each), PERCENTS) for each in result.rounds], 1.0)
    relative = levels / np.median(levels[:, 2]) - 1
    places = np.linspace(row - 0.36, row + 0.36, len(levels)) if len(levels) > 1 else np.array([float(row)])
    for ends, width in (((0, 4), 0.7), ((1, 3), 2.0)):
        axes.add_collection(LineCollection(list(_lines(relative, places, ends)), colors=color, linewidths=width))
    (dots,) = axes.plot(
        100 * relative[:, 2], places, "o", color=PAPER, markeredgecolor=color, markersize=2.6, markeredgewidth=0.9
    )
    tip(dots, f"{result.case}: medians of {counted(len(levels), 'round')}")
    medians = relative[:, 2]
    left, right = max(float(relative[:, 0].min()), -WIDEST), min(float(np.percentile(relative[:, 4], 90)), WIDEST)
    return min(left, float(medians.min())), max(right, float(medians.max()))


def _lines(
    relative: NDArray[np.float64], places: NDArray[np.float64], ends: Sequence[int]
) -> Iterator[list[tuple[float, float]]]:
    for levels, place in zip(relative, places, strict=True):
        yield [(100 * float(levels[end]), float(place)) for end in ends]
