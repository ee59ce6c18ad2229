"""How far runs of the same thing lie apart, and whether the ratio to the anchor is steadier than the time itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, variance

from reports.comparison.times import ANY_BETWEEN_RUNS, BETWEEN_RUNS, FEWEST_RUNS, UNSTEADY
from reports.history.levels import Level

Judged = tuple[Level, tuple[Level, ...]]
"""A new run's level, and those of earlier runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the times of one metric are compared, the same for all cases.

    Attributes:
        is_anchored: Whether the ratio to the anchor is judged in place of the time itself.
        allowance: Standard deviation between runs that is taken where too few of them show it.
        choices: Scales of which the steadier was taken: each has its part of the chance of error, as one that happens
            to look steady is likelier to be taken.
        reason: Why, in words.
    """

    is_anchored: bool
    allowance: float
    choices: int = 1
    reason: str


def spread_of(metric: str, judged: Sequence[Judged]) -> Spread:
    """Chooses the scale on which earlier runs are steadier; the run that is judged has no say in it.

    With too few of them the ratio to the anchor is taken, as it is steadier wherever that was measured, unless it is
    far less steady over the rounds of these runs.
    """
    with_anchor, without = BETWEEN_RUNS.get(metric, ANY_BETWEEN_RUNS)
    levels = [level for current, earlier in judged for level in (current, *earlier)]
    if not all(level.anchored is not None for level in levels):
        return Spread(is_anchored=False, allowance=without, reason="a run has no anchor for these rounds")
    by_anchor, by_time = (_between(judged, is_anchored=is_anchored) for is_anchored in (True, False))
    if by_anchor is not None and by_time is not None:
        steadier = by_anchor < by_time
        reason = (
            f"over earlier runs the ratio to the anchor varied by {by_anchor:.1%} and the time itself by {by_time:.1%}"
        )
        return Spread(is_anchored=steadier, allowance=with_anchor if steadier else without, choices=2, reason=reason)
    ratios = [
        level.anchored_error / level.plain_error for level in levels if level.anchored_error and level.plain_error
    ]
    if ratios and median(ratios) >= UNSTEADY:
        reason = f"over rounds the ratio to the anchor varied {median(ratios):.1f} times as much"
        return Spread(is_anchored=False, allowance=without, reason=reason)
    reason = f"steadier from run to run, allowing {with_anchor:.1%} of spread between runs"
    return Spread(is_anchored=True, allowance=with_anchor, reason=reason)


def _between(judged: Sequence[Judged], *, is_anchored: bool) -> float | None:
    """Root mean square over cases of the standard deviation of earlier levels; None for too few runs."""
    found = [
        variance(means)
        for _, earlier in judged
        if len(means := [mean for level in earlier if (mean := level.mean(is_anchored=is_anchored)) is not None])
        >= FEWEST_RUNS
    ]
    return math.sqrt(fmean(found)) if found else None
