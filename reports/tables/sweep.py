"""Batch sizes against threads, one table for each file and runtime: how a case scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Metric, Result
from crossrt.reports.schema.scenarios import Offline
from crossrt.reports.statistics.estimates import Estimate
from crossrt.reports.statistics.scenarios import curve
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet, range_text, written

MOST_SEPARATE: Final = 4
"""Scenarios up to which each has a table of its own, with all cases side by side."""

MOST_BESIDE: Final = 3
"""Numbers of threads up to which throughput and latency stand in one table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a case does at a batch size and a number of threads.

    Attributes:
        samples_per_s: Throughput, batch size over p50.
        call_ns: p50 of one call.
    """

    samples_per_s: Estimate
    call_ns: Estimate


Grid = Mapping[tuple[int, int], Place]
"""By batch size and threads."""


def sweep_sheets(look: Lookup) -> list[Sheet]:
    """A table for each file and runtime that was measured in many scenarios."""
    return [sheet for name, grid in swept(look).items() for sheet in _sheets(name, grid)]


def curve_sheets(name: str, outcome: Offline) -> list[Sheet]:
    """The curve of a case in the offline scenario."""
    grid = offline_grid(outcome)
    return list(_sheets(f"{name}, offline", grid)) if grid else []


def offline_grid(outcome: Offline) -> Grid:
    """The curve of an outcome, as a table."""
    return {
        (point.batch_size, point.threads): Place(
            samples_per_s=estimate, call_ns=estimate.reciprocal(1e9 * point.batch_size)
        )
        for point, estimate in curve(outcome)
    }


def swept(look: Lookup) -> dict[str, Grid]:
    """The grid of each file and runtime, by its name, where it was measured at more than one place."""
    grids: dict[str, dict[tuple[int, int], Place]] = {}
    for result in look.report.results:
        if (place := _place(look, result)) is not None:
            grids.setdefault(look.label(result), {})[result.batch_size, result.threads] = place
    return {name: grid for name, grid in grids.items() if len(grid) > 1}


def _place(look: Lookup, result: Result) -> Place | None:
    rate, call = (look.metric(result, name) for name in ("throughput_per_s", "latency_p50_ns"))
    if rate is None or call is None or result.status != "ok":
        return None
    return Place(samples_per_s=_estimate(rate), call_ns=_estimate(call))


def _estimate(metric: Metric) -> Estimate:
    lower, upper = metric.interval or (None, None)
    return Estimate(value=metric.value, lower=lower, upper=upper)


def _sheets(name: str, grid: Grid) -> Iterator[Sheet]:
    threads = sorted({each for _, each in grid})
    rates = [(f"samples/s{_on(each, threads)}", each, True) for each in threads]
    calls = [(f"p50 µs{_on(each, threads)}", each, False) for each in threads]
    if len(threads) <= MOST_BESIDE:
        yield _sheet(f"{name}: throughput and latency of one call", grid, [*rates, *calls])
        return
    yield _sheet(f"{name}: throughput", grid, rates)
    yield _sheet(f"{name}: latency of one call", grid, calls)


def _on(threads: int, every: Sequence[int]) -> str:
    """` t2`, where there are several."""
    return f" t{threads}" if len(every) > 1 else ""


def _sheet(title: str, grid: Grid, columns: Sequence[tuple[str, int, bool]]) -> Sheet:
    best = max(grid.values(), key=lambda place: place.samples_per_s.value)
    rows = tuple(
        (
            Cell(text=f"batch {size}"),
            *(_cell(grid.get((size, threads)), best, is_rate) for _, threads, is_rate in columns),
        )
        for size in sorted({each for each, _ in grid})
    )
    return Sheet(title=title, columns=("", *(heading for heading, _, _ in columns)), rows=rows)


def _cell(place: Place | None, best: Place, is_rate: bool) -> Cell:
    if place is None:
        return Cell(text=ABSENT)
    if is_rate:
        return Cell(text=written(place.samples_per_s.value, "count"), best=place is best)
    call = place.call_ns
    return Cell(text=range_text(call.value, call.lower, call.upper, "microseconds"))
