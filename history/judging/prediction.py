"""Where the next run is expected to lie, given earlier ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from crossrt.history.judging.levels import Level
from crossrt.history.judging.moderation import Moderation
from crossrt.reports.statistics.intervals import LogInterval, kept_replicates
from crossrt.reports.statistics.student import t_quantile


def predicted_interval(
    current: Level,
    earlier: Sequence[Level],
    alpha: float,
    *,
    is_relative: bool,
    moderation: Moderation | None = None,
) -> LogInterval:
    """A new run minus what earlier ones make of it, from the spread between those.

    If nothing changed, the new level less the mean of k earlier ones, over `s sqrt(1 + 1/k)`, has Student's t
    distribution with k - 1 degrees of freedom: the prediction interval of Fisher (1935), which also counts that mean
    and spread are estimated. The spread holds what differs within runs too, for runs like the earlier ones; where
    the new run's own error is larger, as with fewer rounds, the difference of the two variances is added.

    Args:
        current: The run that is judged.
        earlier: Two or more runs.
        alpha: Chance of error on each side.
        is_relative: Whether ratios to the reference workload are compared; all runs have them then.
        moderation: What other cases say of the spread, where there are enough of them.
    """
    means = [_mean(each, is_relative=is_relative) for each in earlier]
    count = len(means)
    mean = _mean(current, is_relative=is_relative) - fmean(means)
    own = _variance(current, is_relative=is_relative)
    usual = fmean(_variance(each, is_relative=is_relative) for each in earlier)
    excess = own - usual if math.isfinite(usual) else 0.0
    spread, degrees = variance(means), float(count - 1)
    if moderation is not None:
        spread, degrees = moderation.of(spread, count - 1)
    total = spread * (1 + 1 / count) + max(excess, 0.0)
    return _student(mean, total, degrees, alpha)


def allowed_interval(
    current: Level, earlier: Sequence[Level], between: float, alpha: float, *, is_relative: bool
) -> LogInterval:
    """Likewise where there are too few earlier runs to see their spread: it is taken as known.

    Source: Welch's interval of the new run and the mean of the earlier ones, as `welch_interval` has
    it for two runs, with Satterthwaite's degrees of freedom for the errors within runs.

    Args:
        current: The run that is judged.
        earlier: One or more runs.
        between: Standard deviation of one run's level around the truth, beyond its own error.
        alpha: Chance of error on each side.
        is_relative: Whether ratios to the reference workload are compared.
    """
    count = len(earlier)
    mean = _mean(current, is_relative=is_relative) - fmean(_mean(each, is_relative=is_relative) for each in earlier)
    parts = [(_variance(current, is_relative=is_relative), current)]
    parts += [(_variance(each, is_relative=is_relative) / count**2, each) for each in earlier]
    total = sum(part for part, _ in parts) + between**2 * (1 + 1 / count)
    if not math.isfinite(total):
        return _student(mean, math.inf, 1, alpha)
    lost = sum(part**2 / (kept_replicates(level.rounds) - 1) for part, level in parts)
    return _student(mean, total, total**2 / lost if lost else math.inf, alpha)


def _mean(level: Level, *, is_relative: bool) -> float:
    mean = level.mean(is_relative=is_relative)
    return level.plain if mean is None else mean


def _variance(level: Level, *, is_relative: bool) -> float:
    """Of the level, within its run; infinite where a single round tells none."""
    error = level.error(is_relative=is_relative)
    return math.inf if error is None else error**2


def _student(mean: float, total: float, degrees: float, alpha: float) -> LogInterval:
    error = math.sqrt(total)
    half = t_quantile(1 - alpha, degrees) * error if math.isfinite(error) else math.inf
    return LogInterval(mean=mean, half=half, alpha=alpha, standard_error=error, degrees=degrees)
