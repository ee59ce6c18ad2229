"""The tables of scenarios beside single-stream, with the lines that say how to read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.schema.scenarios import ColdStart, MultiStream, Offline, ScenarioOutcome, Server
from crossrt.reports.statistics.queries import minimum_queries
from crossrt.reports.statistics.replicates import replicate_change
from crossrt.reports.statistics.scenarios import (
    best_point,
    bound_text,
    curve,
    load_share,
    main_metric,
    part_metrics,
    tail_estimate,
)
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.tables.sweep import curve_sheets
from crossrt.reports.text.cells import Cell, Sheet, counted, written

MOST_CURVES: Final = 4
"""Cases up to which tables show the curve of each; the page shows them all."""

LARGEST_GAP: Final = 0.05
"""Between the highest rate that was held and the lowest that was not; searches end at 2%."""

_NO_DIFFERENCE: Final = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One scenario and every case that was measured in it."""

    first: ScenarioOutcome
    outcomes: tuple[tuple[Result, ScenarioOutcome], ...]


def asked_in(report: Report) -> list[Asked]:
    """The scenarios of a report, in the order in which they were asked for."""
    found: dict[str, list[tuple[Result, ScenarioOutcome]]] = {}
    for result in report.results:
        for outcome in result.scenarios:
            found.setdefault(outcome.asked, []).append((result, outcome))
    return [Asked(first=pairs[0][1], outcomes=tuple(pairs)) for pairs in found.values()]


def scenario_sheets(look: Lookup) -> list[Sheet]:
    """A table for each scenario; that of offline is followed by the curves of cases, where they are few."""
    found = []
    for asked in asked_in(look.report):
        found.append(_sheet(look, asked))
        offline = [(result, each) for result, each in asked.outcomes if isinstance(each, Offline)]
        if len(offline) <= MOST_CURVES:
            found += [sheet for result, each in offline for sheet in curve_sheets(look.label(result), each)]
    return found


def _sheet(look: Lookup, asked: Asked) -> Sheet:
    columns, dropped = _columns(asked.first)
    rows = [
        (Cell(text=look.label(result)), *_cells(look, result, outcome, len(columns) - 1))
        for result, outcome in asked.outcomes
    ]
    notes = [*_explained(asked.first), *_compared(look, asked), *_reasons(look, asked)]
    return Sheet(
        title=_title(asked.first), columns=columns, rows=tuple(rows), footer=tuple(notes), dropped_first=dropped
    )


def _title(outcome: ScenarioOutcome) -> str:
    if isinstance(outcome, Server):
        bound = f"{outcome.percentile:g}% answered within {bound_text(outcome.latency_ns)}"
        if outcome.rate_per_s is not None:
            return f"Server: {outcome.rate_per_s:,.10g} queries/s at random, {bound}"
        return f"Server: highest rate of random arrivals with {bound}"
    if isinstance(outcome, MultiStream):
        return f"Multi-stream: latency of a query of {counted(outcome.samples, 'sample')}"
    if isinstance(outcome, Offline):
        return "Offline: highest throughput over batch sizes and threads"
    cache = "in the page cache" if outcome.cache == "warm" else "not in the page cache"
    return f"Cold start: process start to first answer, files {cache}"


def _columns(outcome: ScenarioOutcome) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Headings, and those that are left out first where there is too little room."""
    if isinstance(outcome, Server):
        tail = f"p{outcome.percentile:g} µs"
        return ("case", "queries/s", "model busy", tail, "queries tried"), ("queries tried", tail, "model busy")
    if isinstance(outcome, MultiStream):
        return ("case", "p50 µs", "p99 µs", "MLPerf p99 µs", "calls"), ("calls", "p99 µs")
    if isinstance(outcome, Offline):
        gain = f"over batch {curve(outcome)[0][0].batch_size}" if outcome.rounds else "gain"
        return ("case", "samples/s", "threads", "batch", gain), (gain,)
    return ("case", "total ms", "Python ms", "import ms", "load ms", "first call ms"), ("Python ms",)


def _cells(look: Lookup, result: Result, outcome: ScenarioOutcome, count: int) -> list[Cell]:
    if outcome.status != "ok":
        return [Cell(text=outcome.status), *[Cell(text=ABSENT)] * (count - 1)]
    main = look.cell(result, main_metric(outcome), interval=True)
    if isinstance(outcome, Server):
        share = load_share(outcome)
        tails = [
            trial.tail_ns / 1000
            for each in outcome.rounds
            for trial in each.trials
            if trial.rate_per_s == each.sustained_per_s
        ]
        tried = sum(trial.queries for each in outcome.rounds for trial in each.trials)
        texts = [f"{share:.0%}" if share else ABSENT, f"{median(tails):,.0f}" if tails else ABSENT, f"{tried:,}"]
        return [main, *map(_cell, texts)]
    if isinstance(outcome, MultiStream):
        estimate = tail_estimate(outcome)
        p50 = look.cell(result, f"multi_stream_{outcome.samples}_p50_ns", interval=True)
        told = ABSENT if estimate is None else written(estimate, "microseconds")
        return [p50, main, _cell(told), _cell(f"{outcome.samples // outcome.batch_size}×{outcome.batch_size}")]
    if isinstance(outcome, Offline):
        return [main, *_best_cells(outcome)]
    return [main, *(look.cell(result, name) for name in part_metrics(outcome).values())]


def _best_cells(outcome: Offline) -> list[Cell]:
    best, points = best_point(outcome), curve(outcome)
    assert best is not None
    values = {(point.threads, point.batch_size): estimate.value for point, estimate in points}
    first = points[0][0]
    gain = values[best.threads, best.batch_size] / values[first.threads, first.batch_size]
    return [_cell(str(best.threads)), _cell(str(best.batch_size)), _cell(f"{gain:.2f}")]


def _cell(text: str) -> Cell:
    return Cell(text=text)


def _explained(outcome: ScenarioOutcome) -> Iterator[str]:
    """What a reader must know of the numbers."""
    if isinstance(outcome, Server):
        yield (
            f"a latency counts from when a query was due; a rate is held if that is shown with {outcome.confidence:.0%}"
            f" confidence, or after {minimum_queries(outcome.percentile, outcome.confidence):,} queries (MLPerf's"
            f" minimum for p{outcome.percentile:g})"
        )
    elif isinstance(outcome, MultiStream):
        yield (
            "MLPerf p99: its early-stopping estimate over all rounds, which the 99th percentile exceeds with a chance"
            " of 1% at most; calls: how a query is run, number × batch size"
        )
    elif isinstance(outcome, Offline):
        yield (
            f"stops growing: neither more threads nor a larger batch give {outcome.growth:.0%} more; the page shows the"
            " curves"
        )
    elif outcome.cache == "cold":
        yield "cold: model and libraries were dropped from the page cache; Python itself, numpy and .py files were not"


def _compared(look: Lookup, asked: Asked) -> Iterator[str]:
    """What the A/A replicate says."""
    for result, outcome in asked.outcomes:
        if (found := replicate_change(outcome)) is not None:
            change = found.change if abs(found.change) >= _NO_DIFFERENCE else 0.0
            what = f"{'rate' if found.is_rate else 'time'} of the A/A replicate of {look.label(result)}"
            yield f"noise: the {what} differs by {change:+.1%} in the same rounds"


def _reasons(look: Lookup, asked: Asked) -> Iterator[str]:
    """Why cases have no number, and what ended the growth of others."""
    for result, outcome in asked.outcomes:
        if outcome.status != "ok":
            yield f"{look.label(result)}: {outcome.reason or 'no reason is known'}"
        elif isinstance(outcome, Offline):
            yield from (f"{look.label(result)}: {text}" for text in outcome.ended if text)
        elif isinstance(outcome, Server):
            yield from (f"{look.label(result)}: {text}" for text in _unfinished(outcome))
        elif isinstance(outcome, ColdStart) and outcome.resident:
            yield f"{look.label(result)}: up to {outcome.resident:.0%} of these files stayed in the page cache"


def _unfinished(outcome: Server) -> Iterator[str]:
    """What is said of searches that the time ended: how far the highest rate may be from the one that was held."""
    gaps = []
    for each in outcome.rounds if outcome.rate_per_s is None else ():
        if each.sustained_per_s is not None:
            missed = min((trial.rate_per_s for trial in each.trials if trial.verdict != "held"), default=math.inf)
            gaps.append(missed / each.sustained_per_s - 1)
    widest = max(gaps, default=0.0)
    if widest > LARGEST_GAP:
        higher = f"up to {widest:.0%} higher" if widest < math.inf else "higher"
        yield f"the time was over before the search of its rate ended: it may be {higher}; --time allows more"


def outcomes_of(report: Report, kind: type[ScenarioOutcome]) -> Sequence[tuple[Result, ScenarioOutcome]]:
    """Every outcome of a kind, with its case."""
    return [(result, each) for result in report.results for each in result.scenarios if isinstance(each, kind)]
