"""Student's t on logarithms of ratios, at any level: what the verdicts are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.statistics.contrasts import Contrast
from crossrt.reports.statistics.student import LARGEST_HALF, t_quantile

POWER: Final = 0.95
TRIM_FAST: Final = 0.1
TRIM_SLOW: Final = 0.4
"""Shares of replicates that are dropped where two runs are compared. Neighbours on a shared machine only ever make a
round slower, in some runs nearly half of the rounds."""

FEWEST_TO_TRIM: Final = 5

_NEWTON_STEPS: Final = 100
_NEWTON_PRECISION: Final = 1e-9
"""Of the variance between rounds: a step that changes it by less is the last."""

LEAST_SCATTER: Final = 0.25
"""How much less than their own errors say rounds may scatter, as a share of the variance. A round's error is estimated
as if its blocks were normal; where neighbours disturb some of them, their median is up to twice as sure as that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInterval:
    """The logarithm of a ratio, with an interval that it leaves on each side with a chance of `alpha`.

    Attributes:
        mean: The estimate.
        half: Half of the interval; infinite where there are too few replicates for one.
        alpha: Chance of error on each side.
        standard_error: Of the mean.
        degrees: Degrees of freedom, at least 1.
    """

    mean: float
    half: float
    alpha: float
    standard_error: float
    degrees: float

    @property
    def lower(self) -> float:
        """Lower bound of the logarithm."""
        return self.mean - self.half

    @property
    def upper(self) -> float:
        """Upper bound of the logarithm."""
        return self.mean + self.half

    @property
    def excludes_zero(self) -> bool:
        """True where the interval says that the ratio is not 1."""
        return abs(self.mean) > self.half

    def widened(self, by: float) -> LogInterval:
        """The same with `by` more on each side."""
        return LogInterval(
            mean=self.mean,
            half=self.half + by,
            alpha=self.alpha,
            standard_error=self.standard_error,
            degrees=self.degrees,
        )

    def resolution(self) -> float:
        """The smallest logarithm of a ratio whose interval would leave out 0 in 95% of runs like this one.

        Source: the usual sample-size formula, `(t[1 - alpha] + t[power]) * standard error`.
        """
        quantile = t_quantile(POWER, self.degrees)
        return self.half + quantile * self.standard_error


def pooled_interval(contrasts: Sequence[Contrast], alpha: float) -> LogInterval:
    """The mean of what rounds say, each with its own error. Fewer than two give an infinite interval.

    Rounds differ by memory layout, which is drawn once a process, and by how noisy the machine was. The former is
    estimated after Paule and Mandel (1982) and adds to every round's variance; weights are inverse variances; the
    interval is Student's t after Hartung and Knapp (2001) and Sidik and Jonkman (2002), never less than half as wide as
    the rounds' own errors ask for. As a round's error is itself an estimate from few blocks, none is taken to be
    smaller than that of the typical round.
    """
    values = np.array([each.value for each in contrasts], dtype=np.float64)
    errors = np.array([each.error for each in contrasts], dtype=np.float64)
    variances = np.maximum(errors, np.median(errors) if len(errors) else 0.0) ** 2
    if len(values) < 2:
        return LogInterval(mean=float(values.sum()), half=math.inf, alpha=alpha, standard_error=math.inf, degrees=1)
    weights = 1 / (variances + _between_rounds(values, variances))
    mean, scatter = _weighted(values, weights)
    error = math.sqrt(max(scatter / (len(values) - 1), LEAST_SCATTER) / float(weights.sum()))
    return _interval(mean, error, len(values) - 1, alpha)


def _between_rounds(values: NDArray[np.float64], variances: NDArray[np.float64]) -> float:
    """The variance between rounds at which their weighted scatter is what chance would give.

    By Newton's method from 0, which approaches the root from below (DerSimonian and Kacker 2007). A root finder
    of scipy finds the same; its import would take longer than all else that shows a report.
    """
    between, degrees = 0.0, len(values) - 1
    for _ in range(_NEWTON_STEPS):
        weights = 1 / (variances + between)
        mean, scatter = _weighted(values, weights)
        step = (scatter - degrees) / float((weights**2 * (values - mean) ** 2).sum()) if scatter > degrees else 0.0
        between += step
        if step <= between * _NEWTON_PRECISION:
            break
    return between


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted mean, and weighted sum of squares around it."""
    mean = float((weights * values).sum() / weights.sum())
    return mean, float((weights * (values - mean) ** 2).sum())


def trimmed_mean(values: Sequence[float]) -> float:
    """The mean without the slowest four tenths and the fastest tenth."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    fast, slow = _dropped(len(ordered))
    return float(ordered[fast : len(ordered) - slow].mean())


def trimmed_error(values: Sequence[float]) -> float:
    """Standard error of the trimmed mean."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    return float(winsorized_error(ordered, *_dropped(len(ordered))))


def winsorized_error(ordered: NDArray[np.float64], fast: int, slow: int) -> NDArray[np.float64]:
    """Standard error of the mean of what is kept, from the winsorized variance (Tukey and McLaughlin 1963): `(...)`.

    Args:
        ordered: Values in ascending order: `(..., values)`.
        fast: How many of the smallest are dropped.
        slow: How many of the largest are.
    """
    count = ordered.shape[-1]
    kept = count - fast - slow
    winsorized = np.clip(ordered, ordered[..., fast, None], ordered[..., count - slow - 1, None])
    return np.asarray(np.sqrt((count - 1) * winsorized.var(axis=-1, ddof=1) / (kept * (kept - 1))))


def _dropped(count: int) -> tuple[int, int]:
    """How many replicates are dropped at the fast and at the slow end."""
    return (int(TRIM_FAST * count), int(TRIM_SLOW * count)) if count >= FEWEST_TO_TRIM else (0, 0)


def kept_replicates(count: int) -> int:
    """How many replicates a trimmed mean is of."""
    return count - sum(_dropped(count))


def welch_interval(current: Sequence[float], baseline: Sequence[float], alpha: float, between: float) -> LogInterval:
    """Two samples of unequal spread: the trimmed mean of `current` minus that of `baseline`.

    Args:
        current: Logarithms, one per replicate.
        baseline: Likewise.
        alpha: Chance of error on each side.
        between: Standard deviation of one run's mean around the truth, in logarithms: what the replicates of one run
            do not show. It is taken as known, so it adds variance and no degrees of freedom are lost by it.

    Source: Yuen (1974), which is Welch (1947) on trimmed means and winsorized variances, here with more trimmed at the
    slow end (Keselman and others 2007); Satterthwaite's degrees of freedom.
    """
    mean = trimmed_mean(current) - trimmed_mean(baseline)
    if min(len(current), len(baseline)) < 2:
        return LogInterval(mean=mean, half=math.inf, alpha=alpha, standard_error=math.inf, degrees=1)
    parts = [trimmed_error(each) ** 2 for each in (current, baseline)]
    kept = [kept_replicates(len(each)) for each in (current, baseline)]
    total = sum(parts) + 2 * between**2
    lost = sum(part**2 / (number - 1) for part, number in zip(parts, kept, strict=True))
    return _interval(mean, math.sqrt(total), total**2 / lost if lost else math.inf, alpha)


def _interval(mean: float, error: float, degrees: float, alpha: float) -> LogInterval:
    half = min(t_quantile(1 - alpha, degrees) * error, LARGEST_HALF)
    return LogInterval(mean=mean, half=half, alpha=alpha, standard_error=error, degrees=degrees)
