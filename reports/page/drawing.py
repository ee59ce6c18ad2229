"""All plots of a report, for its page and for files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from crossrt.reports.page.figures import png_bytes, svg_text
from crossrt.reports.page.plots.changes import changes
from crossrt.reports.page.plots.distributions import distributions
from crossrt.reports.page.plots.footprint import footprint
from crossrt.reports.page.plots.kernels import kernel_time, kernels
from crossrt.reports.page.plots.layers import layers
from crossrt.reports.page.plots.plot import Plot
from crossrt.reports.page.plots.roofline import roofline
from crossrt.reports.page.plots.scaling import scaling
from crossrt.reports.page.plots.scenarios import scenario_plots
from crossrt.reports.page.plots.tradeoff import tradeoff
from crossrt.reports.page.plots.training import whole
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.verdicts.choice.pareto import fronts, p50
from crossrt.reports.verdicts.comparison.findings import Comparison

ImageFormat = Literal["png", "svg"]

MOST_DRAWN: Final = 60
"""Cases of one scenario in a plot."""

_CONTENT: Final[dict[ImageFormat, Callable[[Plot], bytes]]] = {
    "png": lambda plot: png_bytes(plot.figure),
    "svg": lambda plot: svg_text(plot.figure).encode(),
}


def drawn_part(report: Report) -> Report:
    """The report with the cases that plots have room for: of many in one scenario the fastest, then untimed ones."""
    look = Lookup(report)
    kept: set[str] = set()
    for scenario in dict.fromkeys(scenario_of(result) for result in report.results):
        here = [result for result in report.results if scenario_of(result) == scenario]
        kept |= {result.case for result in sorted(here, key=lambda result: p50(look, result))[:MOST_DRAWN]}
    if len(kept) == len(report.results):
        return report
    return msgspec.structs.replace(report, results=tuple(each for each in report.results if each.case in kept))


def tradeoffs(report: Report) -> list[Plot]:
    """Accuracy against latency, one plot for each scenario."""
    return [plot for front in fronts(report) if (plot := tradeoff(report, front))]


def rounds_plots(report: Report) -> list[Plot]:
    """Latency distributions, one plot for each scenario."""
    scenarios = dict.fromkeys(scenario_of(result) for result in report.results)
    return [plot for scenario in scenarios if (plot := distributions(report, scenario))]


def all_plots(report: Report, comparison: Comparison | None = None) -> Iterator[Plot]:
    """Every plot that the report has the numbers for."""
    if comparison is not None and (plot := changes(comparison)):
        yield plot
    report = drawn_part(report)
    yield from tradeoffs(report)
    yield from rounds_plots(report)
    yield from (plot for draw in (scaling, footprint, kernels, kernel_time, roofline) if (plot := draw(report)))
    yield from scenario_plots(report)
    yield from layers(report)
    yield from whole(report)


def plot_files(plots: Sequence[Plot], folder: Path, kind: ImageFormat) -> dict[Path, bytes]:
    """The content of one file for each plot."""
    return {folder / f"{plot.name}.{kind}": _CONTENT[kind](plot) for plot in plots}
