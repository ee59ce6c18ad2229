"""The metrics of scenarios: one name for each way of asking, so that what is compared was asked alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final, Literal

from crossrt.core.metric import BIGGER, MetricDefinition
from crossrt.reports.schema.records import Result
from crossrt.reports.schema.scenarios import (
    ColdRound,
    ColdStart,
    MultiStream,
    Offline,
    OfflineRound,
    Point,
    QueryRound,
    ScenarioOutcome,
    Server,
    ServerRound,
)
from crossrt.reports.statistics.definitions import time_metric
from crossrt.reports.statistics.estimates import Estimate, over_rounds, percentile
from crossrt.reports.statistics.queries import early_stopping_estimate

PERCENTILES: Final = (50, 99)
MEDIANS_BETWEEN_RUNS: Final = 0.03
"""Standard deviation of one run's mean around the truth, in logarithms, of throughput offline and the median query.
Rounded up from three runs within a quarter of an hour on a busy machine, 1.0 and 1.3%."""

MARGIN_OF_MEDIANS: Final = 0.20
"""By how much these may become worse by default; a smaller margin would leave most of them undecided."""

MARGIN: Final = 0.50
"""By how much other scenarios may become worse by default: that of the model load. Runs are taken to differ by 10%
where no history says otherwise, so a smaller margin would leave most of them undecided."""

_PARTS: Final[Mapping[str, str]] = {
    "start": "Python and numpy",
    "import": "import",
    "load": "load",
    "first": "first call",
}
_EMPTY: Final[Mapping[str, Mapping[int, float]]] = {}

RoundTimes = Mapping[int, float]
"""Nanoseconds by the index of a round: of a query, a sample, a start; smaller is better."""


def bound_text(latency_ns: int) -> str:
    """`2ms`: a bound in the largest unit in which it is at least 1."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if latency_ns >= size:
            return f"{latency_ns / size:g}{unit}"
    return f"{latency_ns}ns"


def main_metric(outcome: ScenarioOutcome) -> str:
    """The metric that a scenario is about."""
    if isinstance(outcome, MultiStream):
        return f"multi_stream_{outcome.samples}_p99_ns"
    if isinstance(outcome, Server):
        return f"server_{bound_text(outcome.latency_ns)}_p{outcome.percentile:g}_per_s"
    if isinstance(outcome, Offline):
        return "offline_per_s"
    return f"cold_start{'_uncached' * (outcome.cache == 'cold')}_ns"


def scenario_definitions(results: Sequence[Result]) -> tuple[MetricDefinition, ...]:
    """What the metrics of a report's scenarios are."""
    found: dict[str, MetricDefinition] = {}
    for result in results:
        for outcome in result.scenarios:
            found |= {each.name: each for each in _definitions(outcome)}
    return tuple(found.values())


def _definitions(outcome: ScenarioOutcome) -> Iterator[MetricDefinition]:
    name = main_metric(outcome)
    if isinstance(outcome, Server):
        bound = f"{bound_text(outcome.latency_ns)} p{outcome.percentile:g}"
        yield _rate(
            name,
            f"server {bound} queries/s",
            "geometric mean over rounds of the highest rate of Poisson arrivals at which"
            f" {outcome.percentile:g}% of queries are answered within {bound_text(outcome.latency_ns)}",
            MARGIN,
        )
    elif isinstance(outcome, Offline):
        yield _rate(
            name,
            "offline samples/s",
            "geometric mean over rounds of the throughput where it stops growing",
            MARGIN_OF_MEDIANS,
        )
    elif isinstance(outcome, MultiStream):
        for percent in PERCENTILES:
            yield time_metric(
                f"multi_stream_{outcome.samples}_p{percent}_ns",
                f"multi-stream {outcome.samples} p{percent}",
                f"geometric mean over rounds of the {percent}th percentile of queries of {outcome.samples} samples",
                MARGIN_OF_MEDIANS if percent == 50 else None,
                "microseconds",
            )
    else:
        label = "cold start" if outcome.cache == "warm" else "cold start, not cached"
        whole = "geometric mean over rounds of process start to first answer"
        yield time_metric(name, label, whole, MARGIN, "milliseconds")
        for part, what in _PARTS.items():
            text = f"geometric mean over rounds of the part {what} of it"
            yield time_metric(_part_name(outcome, part), f"{label}: {what}", text, None, "milliseconds")


def part_metrics(outcome: ColdStart) -> Mapping[str, str]:
    """The metric of each part of a start, by what it is called, in their order."""
    return {what: _part_name(outcome, part) for part, what in _PARTS.items()}


def _part_name(outcome: ColdStart, part: str) -> str:
    return f"cold_start{'_uncached' * (outcome.cache == 'cold')}_{part}_ns"


def _rate(name: str, label: str, description: str, margin: float) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        label=label,
        unit="1/s",
        direction=BIGGER,
        description=description,
        format="count",
        judged_by="rounds",
        margin=margin,
        worse="slower",
        better="faster",
    )


def scenario_times(result: Result, metric: str) -> RoundTimes:
    """What each round says of a metric, as a time: of a rate, nanoseconds for each; empty where the case lacks it."""
    for outcome in result.scenarios:
        if (found := times_of(outcome).get(metric)) is not None:
            return found
    return {}


def between_runs(result: Result, metric: str) -> float | None:
    """How much runs differ where no history says it, for metrics made of medians; None for all others."""
    for outcome in result.scenarios:
        is_median = isinstance(outcome, Offline) and metric == main_metric(outcome)
        if is_median or (isinstance(outcome, MultiStream) and metric == f"multi_stream_{outcome.samples}_p50_ns"):
            return MEDIANS_BETWEEN_RUNS
    return None


def times_of(outcome: ScenarioOutcome, which: Literal["rounds", "replicate"] = "rounds") -> Mapping[str, RoundTimes]:
    """The rounds of an outcome, or of its A/A replicate, by metric, as times."""
    if outcome.status == "failed":
        return _EMPTY
    if isinstance(outcome, MultiStream):
        return _of_queries(outcome, getattr(outcome, which))
    if isinstance(outcome, Offline):
        return {main_metric(outcome): _of_offline(outcome, getattr(outcome, which))}
    if isinstance(outcome, Server):
        return {main_metric(outcome): _of_server(getattr(outcome, which))}
    return _of_starts(outcome, getattr(outcome, which))


def _of_queries(outcome: MultiStream, rounds: Sequence[QueryRound]) -> Mapping[str, RoundTimes]:
    found = {}
    for percent in PERCENTILES:
        values = {each.index: percentile(each.latency_ns, percent) for each in rounds}
        known = {index: value for index, value in values.items() if value is not None}
        if known and len(known) == len(values):
            found[f"multi_stream_{outcome.samples}_p{percent}_ns"] = known
    return found


def _of_server(rounds: Sequence[ServerRound]) -> RoundTimes:
    return {each.index: 1e9 / each.sustained_per_s for each in rounds if each.sustained_per_s is not None}


def _of_offline(outcome: Offline, rounds: Sequence[OfflineRound]) -> RoundTimes:
    best = best_point(outcome)
    if best is None:
        return {}
    chosen = (best.threads, best.batch_size)
    return {
        each.index: point.call_ns / point.batch_size
        for each in rounds
        for point in each.points
        if (point.threads, point.batch_size) == chosen
    }


def _of_starts(outcome: ColdStart, rounds: Sequence[ColdRound]) -> Mapping[str, RoundTimes]:
    found: dict[str, RoundTimes] = {main_metric(outcome): {each.index: each.total_ns for each in rounds}}
    found |= {
        _part_name(outcome, part): {each.index: value for each, value in _values(rounds, part)} for part in _PARTS
    }
    return found if rounds else _EMPTY


def _values(rounds: Sequence[ColdRound], part: str) -> Iterator[tuple[ColdRound, int]]:
    for each in rounds:
        parts = (each.start_ns, each.import_ns, each.load_ns, each.first_call_ns)
        yield each, max(dict(zip(_PARTS, parts, strict=True))[part], 1)


def curve(outcome: Offline) -> list[tuple[Point, Estimate]]:
    """Samples per second at each batch size and number of threads, over rounds, in that order."""
    found: dict[tuple[int, int], list[Point]] = {}
    for each in outcome.rounds:
        for point in each.points:
            found.setdefault((point.threads, point.batch_size), []).append(point)
    return [(points[0], over_rounds([point.samples_per_s for point in points])) for _, points in sorted(found.items())]


def best_point(outcome: Offline) -> Point | None:
    """Where throughput stops growing: fewest threads, then smallest batch, of all nearly as good as the best."""
    points = curve(outcome)
    if not points:
        return None
    most = max(estimate.value for _, estimate in points)
    return next(point for point, estimate in points if estimate.value * (1 + outcome.growth) >= most)


def scenario_estimates(outcome: ScenarioOutcome) -> Iterator[tuple[str, Estimate]]:
    """Every metric of an outcome that has one."""
    rates = {each.name for each in _definitions(outcome) if each.direction == BIGGER}
    for name, times in times_of(outcome).items():
        if times:
            estimate = over_rounds(list(times.values()))
            yield name, estimate.reciprocal(1e9) if name in rates else estimate


def tail_estimate(outcome: MultiStream) -> int | None:
    """MLPerf's estimate of the 99th percentile over the queries of all rounds, or None for too few of them."""
    return early_stopping_estimate([latency for each in outcome.rounds for latency in each.latency_ns], 99)


def load_share(outcome: Server) -> float | None:
    """Share of the time in which the model ran, at the rate that was held; None where none was."""
    shares = [
        trial.busy_ns / max(trial.elapsed_ns, 1)
        for each in outcome.rounds
        for trial in each.trials
        if trial.rate_per_s == each.sustained_per_s
    ]
    return fmean(shares) if shares else None
