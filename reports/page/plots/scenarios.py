"""Plots of scenarios: how a case scales over batch sizes and threads, latency by arrivals, parts of a cold start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.page.figures import COLORS, MUTED, legend_below, new_figure, shortened, tip
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, safe_name
from crossrt.reports.page.ticks import log_ticks
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.schema.scenarios import ColdStart, Offline, Server, Trial
from crossrt.reports.statistics.scenarios import bound_text, part_metrics, scenario_estimates
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.sweep import Grid, offline_grid, swept
from crossrt.reports.text.cells import counted

_SCALING: Final = (
    "Samples per second over batch sizes, a line for each number of threads; both axes are logarithmic. Where a line is"
    " flat, larger batches no longer help; lines that lie on each other are threads that do not."
)
_SERVER: Final = (
    "Each point is a trial: queries arrive at random at this rate, and the latency at the percentile counts from when"
    " they were due. Filled points were held, hollow ones were not; the line is the bound."
)
_COLD: Final = "Geometric means over fresh processes, from before each is made to its first answer."
MOST_CASES: Final = 40


def scenario_plots(report: Report) -> Iterator[Plot]:
    """Every plot of scenarios that the report has the numbers for."""
    look = Lookup(report)
    yield from scaling_curves(look)
    for asked in dict.fromkeys(each.asked for result in report.results for each in result.scenarios):
        pairs = [(result, each) for result in report.results for each in result.scenarios if each.asked == asked]
        servers = [(result, each) for result, each in pairs if isinstance(each, Server) and each.rounds]
        starts = [(result, each) for result, each in pairs if isinstance(each, ColdStart) and each.rounds]
        if servers:
            yield server_plot(look, servers)
        if starts:
            yield cold_plot(look, starts[:MOST_CASES])


def scaling_curves(look: Lookup) -> Iterator[Plot]:
    """One plot for each case that was measured over batch sizes with several numbers of threads, or offline."""
    for name, grid in swept(look).items():
        if len({threads for _, threads in grid}) > 1 and len({size for size, _ in grid}) > 1:
            yield _curve(name, f"scaling-{safe_name(name)}", grid)
    for result in look.report.results:
        for outcome in result.scenarios:
            if isinstance(outcome, Offline) and len(grid := offline_grid(outcome)) > 1:
                name = look.label(result)
                yield _curve(f"{name}, offline", f"offline-{safe_name(name)}", grid)


def _curve(title: str, file: str, grid: Grid) -> Plot:
    threads = sorted({each for _, each in grid})
    labels = [counted(each, "thread") for each in threads]
    figure, axes = new_figure(WIDTH_IN, 3.4, legend=labels)
    axes.set_title(shortened(title))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("batch size, samples")
    axes.set_ylabel("samples/s")
    axes.set_xticks(sorted({size for size, _ in grid}))
    axes.xaxis.set_major_formatter("{x:g}")
    log_ticks(axes.yaxis)
    for number, (count, label) in enumerate(zip(threads, labels, strict=True)):
        points = sorted((size, place.samples_per_s.value) for (size, each), place in grid.items() if each == count)
        sizes, rates = zip(*points, strict=True)
        (line,) = axes.plot(sizes, rates, "o-", color=_color(number), markersize=4.5, linewidth=1.2, label=label)
        tip(line, f"{title}, {label}")
    legend_below(figure, axes)
    return Plot(name=file, figure=figure, caption=_SCALING)


def server_plot(look: Lookup, pairs: Sequence[tuple[Result, Server]]) -> Plot:
    """Latency at the percentile against the rate of arrivals, over all trials."""
    first = pairs[0][1]
    names = [look.label(result) for result, _ in pairs]
    figure, axes = new_figure(
        WIDTH_IN, max(4.0, 0.22 * len(names)), beside=[f"--o-- {shortened(name)}" for name in names]
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("queries/s")
    axes.set_ylabel(f"p{first.percentile:g} ms")
    for number, (name, (_, outcome)) in enumerate(zip(names, pairs, strict=True)):
        trials = [trial for each in outcome.rounds for trial in each.trials if trial.tail_ns]
        for is_held in (True, False):
            chosen = [trial for trial in trials if (trial.verdict == "held") == is_held]
            _dots(axes, chosen, name, _color(number), is_held=is_held)
    axes.axhline(first.latency_ns / 1e6, color=MUTED, linewidth=1, linestyle="--")
    log_ticks(axes.xaxis)
    log_ticks(axes.yaxis)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    name = f"server-{safe_name(bound_text(first.latency_ns))}-p{first.percentile:g}"
    return Plot(name=name, figure=figure, caption=_SERVER)


def _dots(axes: object, trials: Sequence[Trial], name: str, color: str, *, is_held: bool) -> None:
    rates, tails = [each.rate_per_s for each in trials], [each.tail_ns / 1e6 for each in trials]
    label = shortened(name) if is_held else None
    inside = color if is_held else "none"
    axes.plot(  # type: ignore[attr-defined]
        rates, tails, "o", color=inside, markeredgecolor=color, markersize=4.5, linestyle="", label=label
    )


def cold_plot(look: Lookup, pairs: Sequence[tuple[Result, ColdStart]]) -> Plot:
    """The parts of a start, one bar for each case."""
    names = [shortened(look.label(result)) for result, _ in pairs]
    parts = part_metrics(pairs[0][1])
    figure, axes = new_figure(WIDTH_IN, 1.4 + 0.3 * len(names), names=names, legend=list(parts))
    axes.set_xlabel("ms")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    left = [0.0] * len(pairs)
    for number, (label, metric) in enumerate(parts.items()):
        widths = [dict(scenario_estimates(outcome))[metric].value / 1e6 for _, outcome in pairs]
        axes.barh(names, widths, left=left, height=0.6, color=_color(number), label=label)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    legend_below(figure, axes)
    return Plot(name=f"cold-start-{pairs[0][1].cache}", figure=figure, caption=_COLD)


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]
