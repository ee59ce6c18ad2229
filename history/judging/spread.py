"""How far runs of the same thing lie apart, and whether the ratio to the reference workload is steadier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, variance

from crossrt.history.judging.levels import Level
from crossrt.history.judging.moderation import Moderation, moderation_of
from crossrt.reports.verdicts.comparison.times import ANY_BETWEEN_RUNS, BETWEEN_RUNS, FEWEST_RUNS, UNSTEADY

Judged = tuple[Level, tuple[Level, ...]]
"""A new run's level, and those of earlier runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the times of one metric are compared, the same for all cases.

    Attributes:
        is_relative: Whether the ratio to the reference workload is judged in place of the time itself.
        allowance: Standard deviation between runs that is taken where too few of them show it.
        choices: Scales of which the steadier was taken: each has its part of the chance of error, as one that happens
            to look steady is likelier to be taken.
        reason: Why, in words.
        moderation: What all cases say together of the spread between runs.
    """

    is_relative: bool
    allowance: float
    choices: int
    reason: str
    moderation: Moderation | None


def spread_of(metric: str, judged: Sequence[Judged]) -> Spread:
    """Chooses the scale on which earlier runs are steadier; the run that is judged has no say in it.

    With too few of them the ratio to the reference workload is taken, as it is steadier wherever that was measured,
    unless it is far less steady over the rounds of these runs.
    """
    is_relative, choices, reason = _scale(judged)
    allowance = BETWEEN_RUNS.get(metric, ANY_BETWEEN_RUNS)[0 if is_relative else 1]
    means = [_means(earlier, is_relative=is_relative) for _, earlier in judged]
    return Spread(
        is_relative=is_relative,
        allowance=allowance,
        choices=choices,
        reason=reason,
        moderation=moderation_of([each for each in means if len(each) >= FEWEST_RUNS]),
    )


def _scale(judged: Sequence[Judged]) -> tuple[bool, int, str]:
    """Whether the ratio to the reference workload is judged, of how many scales the steadier was chosen, and why."""
    levels = [level for current, earlier in judged for level in (current, *earlier)]
    if not all(level.relative is not None for level in levels):
        return False, 1, "a run has no reference workload in these rounds"
    by_ratio, by_time = (_between(judged, is_relative=is_relative) for is_relative in (True, False))
    if by_ratio is not None and by_time is not None:
        told = f"the ratio to the reference workload varied by {by_ratio:.1%} and the time itself by {by_time:.1%}"
        return by_ratio < by_time, 2, f"over earlier runs {told}"
    ratio = _unsteadiness(levels)
    if ratio is not None and ratio >= UNSTEADY:
        return False, 1, f"over rounds the ratio to the reference workload varied {ratio:.1f} times as much"
    return True, 1, "steadier from run to run, and these rounds do not speak against it"


def _unsteadiness(levels: Sequence[Level]) -> float | None:
    """Spread over rounds with the reference workload over that without; the median over cases and runs."""
    found = [each.relative_error / each.plain_error for each in levels if each.relative_error and each.plain_error]
    return median(found) if found else None


def _between(judged: Sequence[Judged], *, is_relative: bool) -> float | None:
    """Root mean square over cases of the standard deviation of earlier levels; None for too few runs."""
    means = [_means(earlier, is_relative=is_relative) for _, earlier in judged]
    found = [variance(each) for each in means if len(each) >= FEWEST_RUNS]
    return math.sqrt(fmean(found)) if found else None


def _means(earlier: Sequence[Level], *, is_relative: bool) -> list[float]:
    return [mean for level in earlier if (mean := level.mean(is_relative=is_relative)) is not None]
