"""What a history keeps of a run's rounds: where they put each time, and how sure they are of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.intervals import trimmed_error, trimmed_mean
from crossrt.reports.verdicts.comparison.times import RoundLogs, reference_logs, relative_to, time_logs

FEWEST_ROUNDS: Final = 2
"""Rounds below which there is no standard error."""

LevelKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A time of one case in one run: trimmed means over rounds, as a comparison of two reports takes them.

    Attributes:
        rounds: How many support the metric.
        plain: Logarithm of nanoseconds.
        plain_error: Its standard error; None for a single round.
        relative: The same of the ratio to the reference workload in the same round; None where fewer than two rounds
            have both.
        relative_error: Its standard error.
    """

    rounds: int
    plain: float
    plain_error: float | None
    relative: float | None
    relative_error: float | None

    def mean(self, *, is_relative: bool) -> float | None:
        """The level on a scale."""
        return self.relative if is_relative else self.plain

    def error(self, *, is_relative: bool) -> float | None:
        """Its standard error on a scale."""
        return self.relative_error if is_relative else self.plain_error


def workload_level(report: Report) -> float | None:
    """Logarithm of the nanoseconds of the reference workload; None where a report has none."""
    logs = reference_logs(report)
    return trimmed_mean(list(logs.values())) if logs else None


def levels_of(report: Report) -> dict[LevelKey, Level]:
    """The levels of all times of all measured cases, under case and metric."""
    reference = reference_logs(report)
    timed = [each.name for each in report.definitions if each.judged_by == "rounds"]
    return {
        (result.case, metric): level
        for result in report.results
        if result.status == "ok"
        for metric, level in _levels(result, timed, reference)
    }


def _levels(result: Result, timed: Sequence[str], reference: RoundLogs) -> Iterator[tuple[str, Level]]:
    for metric in timed:
        logs = time_logs(result, metric)
        if logs:
            yield metric, _level(logs, relative_to(logs, reference))


def _level(logs: RoundLogs, related: RoundLogs) -> Level:
    has_reference = len(related) >= FEWEST_ROUNDS
    return Level(
        rounds=len(logs),
        plain=_mean(logs),
        plain_error=_error(logs),
        relative=_mean(related) if has_reference else None,
        relative_error=_error(related) if has_reference else None,
    )


def _mean(logs: Mapping[int, float]) -> float:
    return trimmed_mean(list(logs.values()))


def _error(logs: Mapping[int, float]) -> float | None:
    return trimmed_error(list(logs.values())) if len(logs) >= FEWEST_ROUNDS else None
