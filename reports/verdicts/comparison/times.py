"""Times of two runs: their rounds are the replicates, and the reference workload says how fast the machine was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Final

from crossrt.reports.schema.records import Control, Report, Result, Round
from crossrt.reports.statistics.contrasts import (
    UNKNOWN_ERROR,
    Contrast,
    calls_of,
    quiet_level,
    shared_calls,
)
from crossrt.reports.statistics.definitions import QUIET
from crossrt.reports.statistics.estimates import percentile
from crossrt.reports.statistics.intervals import (
    LogInterval,
    pooled_interval,
    trimmed_error,
    trimmed_mean,
    welch_interval,
)
from crossrt.reports.statistics.levels import level_contrasts
from crossrt.reports.statistics.scenarios import between_runs, scenario_times
from crossrt.reports.verdicts.comparison.comparable import comparability
from crossrt.reports.verdicts.comparison.pairing import Pair

RoundLogs = Mapping[int, float]

_PERCENTILES: Final = {"latency_p90_ns": 90, "latency_p95_ns": 95, "latency_p99_ns": 99}

FEWEST_RUNS: Final = 4
"""Earlier runs that it takes to estimate the spread between runs."""

UNSTEADY: Final = 3.0
"""The reference workload is not used where the ratio to it varies more than so many times as much as the time."""

BETWEEN_RUNS: Final = {QUIET: (0.006, 0.025), "load_ns": (0.05, 0.05), "first_inference_ns": (0.05, 0.06)}
ANY_BETWEEN_RUNS: Final = (0.08, 0.10)
"""Standard deviation of one run's mean around the truth where no history tells it: with the reference workload, and
without.
Rounded up from eight runs within three minutes on a shared machine: a history of the own machine is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How the times of one metric are compared.

    Attributes:
        is_relative: Whether the ratio to the reference workload is judged in place of the time itself.
        between: Standard deviation of one run's mean around the truth, in logarithms.
        reason: Why, in words.
    """

    is_relative: bool
    between: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A time before and after.

    Attributes:
        interval: Logarithm of the ratio of current over baseline, as judged: of the median latency, by the calls that
            nothing disturbed, and relative to the reference workload where that is steadier.
        baseline: The metric in nanoseconds, as every other table shows it.
        current: Likewise.
    """

    interval: LogInterval
    baseline: float
    current: float


def time_logs(result: Result, metric: str, used_calls: int | None = None) -> RoundLogs:
    """One logarithm of nanoseconds a round, for each round that supports the metric; of a rate, that of its inverse.

    Args:
        result: The case.
        metric: Its name.
        used_calls: How many calls of each block count, where the other run made shorter blocks.
    """
    if asked := scenario_times(result, metric):
        return {index: math.log(value) for index, value in asked.items()}
    found = {each.index: _log(each, metric, used_calls) for each in result.rounds}
    return {index: value for index, value in found.items() if value is not None}


def _log(each: Round, metric: str, used_calls: int | None) -> float | None:
    if metric == QUIET:
        return quiet_level(each, used_calls)
    if metric == "latency_mean_ns":
        value: float | None = fmean(calls_of(each))
    elif metric == "load_ns":
        value = each.load_ns
    elif metric == "first_inference_ns":
        value = each.first_inference_ns
    elif metric in _PERCENTILES:
        value = percentile(calls_of(each), _PERCENTILES[metric])
    else:
        value = None
    return math.log(value) if value else None


def relative_to(logs: RoundLogs, reference: RoundLogs) -> RoundLogs:
    """The ratio to the reference workload in the same round."""
    return {index: value - reference[index] for index, value in logs.items() if index in reference}


def reference_logs(report: Report) -> RoundLogs:
    """Times of the reference workload; empty where a report has none."""
    for control in report.controls:
        if control.kind == "reference":
            return {each.index: quiet_level(each) for each in control.rounds}
    return {}


def comparable_runs(history: Sequence[Report], baseline: Report, current: Report) -> list[Report]:
    """Earlier runs of the same machine and settings, other than the two that are compared."""
    judged = (baseline.run.id, current.run.id)
    return [report for report in history if report.run.id not in judged and not comparability(report, current).times]


def choose_scale(
    metric: str, pairs: Sequence[Pair], baseline: Report, current: Report, history: Sequence[Report]
) -> Scale:
    """Judges the ratio to the reference workload where it is steadier.

    A history of runs shows which of the two is. Without one the ratio is used, as it is steadier wherever that was
    measured, unless the ratio to it varies far more over the rounds of these two runs than the time itself does.
    """
    cases, runs = [pair.current.case for pair in pairs], comparable_runs(history, baseline, current)
    references = reference_logs(baseline), reference_logs(current)
    assumed = BETWEEN_RUNS.get(metric, ANY_BETWEEN_RUNS)
    if pairs and (known := between_runs(pairs[0].current, metric)) is not None:
        assumed = (known, known)
    by_time = _between(metric, cases, runs, is_relative=False)
    if not _has_reference(metric, pairs, *references):
        return Scale(
            is_relative=False,
            between=by_time or assumed[1],
            reason="a report has no reference workload in these rounds",
        )
    by_ratio = _between(metric, cases, runs, is_relative=True)
    if by_ratio is not None and by_time is not None:
        steadier = by_ratio < by_time
        return Scale(
            is_relative=steadier,
            between=min(by_ratio, by_time),
            reason=f"over {len(runs)} earlier runs the ratio to the reference workload varied by {by_ratio:.1%} and the"
            f" time itself by {by_time:.1%}",
        )
    ratio = _unsteadiness(metric, pairs, *references)
    is_relative = ratio is not None and ratio < UNSTEADY
    reason = "steadier from run to run, and these rounds do not speak against it"
    if not is_relative:
        reason = (
            "too few rounds"
            if ratio is None
            else f"the ratio to the reference workload varied {ratio:.1f} times as much"
        )
    return Scale(is_relative=is_relative, between=assumed[0 if is_relative else 1], reason=reason)


def _has_reference(metric: str, pairs: Sequence[Pair], before: RoundLogs, after: RoundLogs) -> bool:
    """True if every case shares at least two rounds with the reference workload of its run."""
    sides = (
        (each, reference) for pair in pairs for each, reference in ((pair.baseline, before), (pair.current, after))
    )
    return all(len(relative_to(time_logs(result, metric), reference)) > 1 for result, reference in sides)


def _unsteadiness(metric: str, pairs: Sequence[Pair], before: RoundLogs, after: RoundLogs) -> float | None:
    """Spread with the reference workload over that without, within each run; the median over cases and runs."""
    found = []
    for pair in pairs:
        for result, reference in ((pair.baseline, before), (pair.current, after)):
            plain = time_logs(result, metric)
            related = relative_to(plain, reference)
            if len(related) > 2 and (spread := trimmed_error(list(plain.values()))) > 0:
                found.append(trimmed_error(list(related.values())) / spread)
    return median(found) if found else None


def _between(metric: str, cases: Sequence[str], runs: Sequence[Report], *, is_relative: bool) -> float | None:
    """Root mean square over cases of the standard deviation of their runs' means; None for too few runs."""
    variances = []
    for case in cases:
        means = [mean for run in runs if (mean := _mean(run, case, metric, is_relative=is_relative)) is not None]
        if len(means) >= FEWEST_RUNS:
            variances.append(stdev(means) ** 2)
    return math.sqrt(fmean(variances)) if variances else None


def _mean(run: Report, case: str, metric: str, *, is_relative: bool) -> float | None:
    for result in run.results:
        if result.case == case and result.status == "ok":
            logs = time_logs(result, metric)
            logs = relative_to(logs, reference_logs(run)) if is_relative else logs
            return trimmed_mean(list(logs.values())) if logs else None
    return None


def unpaired_change(
    pair: Pair, metric: str, scale: Scale, references: tuple[RoundLogs, RoundLogs], alpha: float
) -> LogInterval | None:
    """Two independent runs: Welch's interval on logarithms. None where a report does not support the metric."""
    used = shared_calls(pair.baseline.rounds, pair.current.rounds)
    before, after = (time_logs(each, metric, used) for each in (pair.baseline, pair.current))
    if not before or not after:
        return None
    judged = [before, after]
    if scale.is_relative:
        judged = [relative_to(logs, reference) for logs, reference in zip(judged, references, strict=True)]
    return welch_interval(list(judged[1].values()), list(judged[0].values()), alpha, scale.between)


def paired_change(pair: Pair, metric: str, replicates: Sequence[Control], alpha: float) -> LogInterval | None:
    """Rounds that both reports share: turn by turn for the median latency, round by round for the rest.

    Args:
        pair: The case in both reports.
        metric: What is compared.
        replicates: The case's A/A replicates in the baseline and in the current report, or none.
        alpha: Chance of error on each side.
    """
    used = shared_calls(pair.baseline.rounds, pair.current.rounds)
    before, after = (time_logs(each, metric, used) for each in (pair.baseline, pair.current))
    shared = before.keys() & after.keys()
    if not shared:
        return None
    if metric == QUIET:
        processes = [[each.rounds] for each in (pair.baseline, pair.current)]
        for each, replicate in zip(processes, replicates, strict=False):
            each.append(replicate.rounds)
        ratios = level_contrasts(processes[1], processes[0])
    else:
        ratios = [Contrast(value=after[index] - before[index], error=UNKNOWN_ERROR) for index in sorted(shared)]
    return pooled_interval(ratios, alpha)
