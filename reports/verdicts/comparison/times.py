"""Times of two runs: their rounds are the replicates, and the anchor says how fast the machine was in each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Final

from crossrt.reports.schema.records import Control, Report, Result, Round
from crossrt.reports.statistics.contrasts import UNKNOWN_ERROR, Contrast, by_round, contrasts, quiet_level
from crossrt.reports.statistics.estimates import percentile
from crossrt.reports.statistics.intervals import (
    LogInterval,
    pooled_interval,
    trimmed_error,
    trimmed_mean,
    welch_interval,
)
from crossrt.reports.verdicts.comparison.comparable import comparability
from crossrt.reports.verdicts.comparison.pairing import Pair

RoundLogs = Mapping[int, float]

FEWEST_RUNS: Final = 4
"""Earlier runs that it takes to estimate the spread between runs."""

UNSTEADY: Final = 3.0
"""The anchor is not used where the ratio to it varies more than so many times as much as the time itself."""

BETWEEN_RUNS: Final = {"latency_p50_ns": (0.006, 0.025), "load_ns": (0.05, 0.05), "first_run_ns": (0.05, 0.06)}
ANY_BETWEEN_RUNS: Final = (0.08, 0.10)
"""Standard deviation of one run's mean around the truth where no history tells it: with the anchor, and without.
Rounded up from eight runs within three minutes on a shared machine: a history of the own machine is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How the times of one metric are compared.

    Attributes:
        is_anchored: Whether the ratio to the anchor is judged in place of the time itself.
        between: Standard deviation of one run's mean around the truth, in logarithms.
        reason: Why, in words.
    """

    is_anchored: bool
    between: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A time before and after.

    Attributes:
        interval: Logarithm of the ratio of current over baseline, as judged.
        baseline: Nanoseconds, as measured.
        current: Nanoseconds, as measured.
    """

    interval: LogInterval
    baseline: float
    current: float


def time_logs(result: Result, metric: str, used_calls: int | None = None) -> RoundLogs:
    """One logarithm of nanoseconds a round, for each round that supports the metric.

    Args:
        result: The case.
        metric: What is wanted.
        used_calls: How many calls of each block count, where the other run made shorter blocks.
    """
    found = {each.index: _log(each, result.calls_per_block, metric, used_calls) for each in result.rounds}
    return {index: value for index, value in found.items() if value is not None}


def _log(each: Round, calls_per_block: int, metric: str, used_calls: int | None) -> float | None:
    if metric == "latency_p50_ns":
        return quiet_level(each, calls_per_block, used_calls)
    if metric == "latency_mean_ns":
        value: float | None = fmean(each.latency_ns)
    elif metric == "load_ns":
        value = each.load_ns
    elif metric == "first_run_ns":
        value = each.first_run_ns
    else:
        value = percentile(each.latency_ns, int(metric.removeprefix("latency_p").removesuffix("_ns")))
    return math.log(value) if value else None


def anchored(logs: RoundLogs, anchor: RoundLogs) -> RoundLogs:
    """The ratio to the anchor in the same round."""
    return {index: value - anchor[index] for index, value in logs.items() if index in anchor}


def anchor_logs(report: Report) -> RoundLogs:
    """The anchor's own times; empty where a report has none."""
    for control in report.controls:
        if control.kind == "anchor":
            return {each.index: quiet_level(each, control.calls_per_block) for each in control.rounds}
    return {}


def comparable_runs(history: Sequence[Report], baseline: Report, current: Report) -> list[Report]:
    """Earlier runs of the same machine and settings, other than the two that are compared."""
    judged = (baseline.run.id, current.run.id)
    return [report for report in history if report.run.id not in judged and not comparability(report, current).times]


def choose_scale(
    metric: str, pairs: Sequence[Pair], baseline: Report, current: Report, history: Sequence[Report]
) -> Scale:
    """Judges the ratio to the anchor where it is steadier.

    A history of runs shows which of the two is. Without one the anchor is used, as it is steadier wherever that was
    measured, unless the ratio to it varies far more over the rounds of these two runs than the time itself does.
    """
    cases, runs = [pair.current.case for pair in pairs], comparable_runs(history, baseline, current)
    anchors = anchor_logs(baseline), anchor_logs(current)
    assumed = BETWEEN_RUNS.get(metric, ANY_BETWEEN_RUNS)
    by_time = _between(metric, cases, runs, is_anchored=False)
    if not _has_anchor(metric, pairs, *anchors):
        return Scale(is_anchored=False, between=by_time or assumed[1], reason="a report has no anchor for these rounds")
    by_anchor = _between(metric, cases, runs, is_anchored=True)
    if by_anchor is not None and by_time is not None:
        steadier = by_anchor < by_time
        return Scale(
            is_anchored=steadier,
            between=min(by_anchor, by_time),
            reason=f"over {len(runs)} earlier runs the ratio to the anchor varied by {by_anchor:.1%} and the time"
            f" itself by {by_time:.1%}",
        )
    ratio = _unsteadiness(metric, pairs, *anchors)
    is_anchored = ratio is not None and ratio < UNSTEADY
    reason = "steadier from run to run, and these rounds do not speak against it"
    if not is_anchored:
        reason = "too few rounds" if ratio is None else f"the ratio to the anchor varied {ratio:.1f} times as much"
    return Scale(is_anchored=is_anchored, between=assumed[0 if is_anchored else 1], reason=reason)


def _has_anchor(metric: str, pairs: Sequence[Pair], before: RoundLogs, after: RoundLogs) -> bool:
    """True if every case shares at least two rounds with the anchor of its run."""
    sides = ((each, anchor) for pair in pairs for each, anchor in ((pair.baseline, before), (pair.current, after)))
    return all(len(anchored(time_logs(result, metric), anchor)) > 1 for result, anchor in sides)


def _unsteadiness(metric: str, pairs: Sequence[Pair], before: RoundLogs, after: RoundLogs) -> float | None:
    """Spread with the anchor over that without, within each run; the median over cases and runs."""
    found = []
    for pair in pairs:
        for result, anchor in ((pair.baseline, before), (pair.current, after)):
            plain = time_logs(result, metric)
            related = anchored(plain, anchor)
            if len(related) > 2 and (spread := trimmed_error(list(plain.values()))) > 0:
                found.append(trimmed_error(list(related.values())) / spread)
    return median(found) if found else None


def _between(metric: str, cases: Sequence[str], runs: Sequence[Report], *, is_anchored: bool) -> float | None:
    """Root mean square over cases of the standard deviation of their runs' means; None for too few runs."""
    variances = []
    for case in cases:
        means = [mean for run in runs if (mean := _mean(run, case, metric, is_anchored=is_anchored)) is not None]
        if len(means) >= FEWEST_RUNS:
            variances.append(stdev(means) ** 2)
    return math.sqrt(fmean(variances)) if variances else None


def _mean(run: Report, case: str, metric: str, *, is_anchored: bool) -> float | None:
    for result in run.results:
        if result.case == case and result.status == "ok":
            logs = time_logs(result, metric)
            logs = anchored(logs, anchor_logs(run)) if is_anchored else logs
            return trimmed_mean(list(logs.values())) if logs else None
    return None


def unpaired_change(
    pair: Pair, metric: str, scale: Scale, anchors: tuple[RoundLogs, RoundLogs], alpha: float
) -> Change | None:
    """Two independent runs: Welch's interval on logarithms. None where a report does not support the metric."""
    used = min(pair.baseline.calls_per_block, pair.current.calls_per_block)
    before, after = (time_logs(each, metric, used) for each in (pair.baseline, pair.current))
    if not before or not after:
        return None
    judged = [before, after]
    if scale.is_anchored:
        judged = [anchored(logs, anchor) for logs, anchor in zip(judged, anchors, strict=True)]
    interval = welch_interval(list(judged[1].values()), list(judged[0].values()), alpha, scale.between)
    return Change(interval=interval, baseline=_nanoseconds(before), current=_nanoseconds(after))


def paired_change(pair: Pair, metric: str, twins: Sequence[Control], alpha: float) -> Change | None:
    """Rounds that both reports share: block by block for the median latency, round by round for the rest.

    Args:
        pair: The case in both reports.
        metric: What is compared.
        twins: The case's second processes in the baseline and in the current report, or none.
        alpha: Chance of error on each side.
    """
    used = min(pair.baseline.calls_per_block, pair.current.calls_per_block)
    before, after = (time_logs(each, metric, used) for each in (pair.baseline, pair.current))
    if not before.keys() & after.keys():
        return None
    if metric == "latency_p50_ns":
        found = [[by_round(each.rounds, each.calls_per_block, used)] for each in (pair.baseline, pair.current)]
        for processes, twin in zip(found, twins, strict=False):
            processes.append(by_round(twin.rounds, twin.calls_per_block, used))
        ratios = contrasts(found[1], found[0])
    else:
        shared = before.keys() & after.keys()
        ratios = [Contrast(value=after[index] - before[index], error=UNKNOWN_ERROR) for index in sorted(shared)]
    interval = pooled_interval(ratios, alpha)
    return Change(interval=interval, baseline=_nanoseconds(before), current=_nanoseconds(after))


def _nanoseconds(logs: RoundLogs) -> float:
    return math.exp(trimmed_mean(list(logs.values())))
