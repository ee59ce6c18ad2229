"""Estimates with intervals. Rounds are the replicates: each is one fresh process, so each draws a new memory layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.statistics.student import LARGEST_HALF, t_quantile

CONFIDENCE = 0.95

FEWEST_SAMPLES = {50: 1, 90: 64, 95: 130, 99: 662}
"""Samples that each round needs before a percentile is given.

Source: the early-stopping rule of MLPerf Inference, which states no percentile from fewer queries than these.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its 95% interval; the bounds are None where nothing supports an interval."""

    value: float
    lower: float | None = None
    upper: float | None = None

    def reciprocal(self, numerator: float) -> Estimate:
        """`numerator / self`, bounds swapped."""
        return Estimate(
            value=numerator / self.value,
            lower=None if self.upper is None else numerator / self.upper,
            upper=None if self.lower is None else numerator / self.lower,
        )


def percentile(samples: Sequence[int], percent: int) -> float | None:
    """The percentile of one round's samples (numpy's `linear` definition), or None below the count that supports it."""
    if len(samples) < FEWEST_SAMPLES[percent]:
        return None
    return float(np.percentile(np.asarray(samples, dtype=np.int64), percent, method="linear"))


def over_rounds(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Geometric mean over rounds, with Student's t interval on the logarithms.

    Latencies vary by factors, so their logarithms are averaged. One round gives no interval.

    Args:
        values: One positive value per round.
        confidence: What the interval holds.
    """
    logs = np.log(np.maximum(values, 1e-9))
    mean = float(logs.mean())
    if len(logs) < 2:
        return Estimate(value=math.exp(mean))
    half = t_quantile((1 + confidence) / 2, len(logs) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    half = min(half, LARGEST_HALF)
    return Estimate(value=math.exp(mean), lower=math.exp(mean - half), upper=math.exp(mean + half))


def over_samples(values: NDArray[np.floating[Any]], mean: float) -> Estimate:
    """A mean over samples with Student's t interval; without one where the mean of `values` is another number."""
    known = np.asarray(values, dtype=np.float64).ravel()
    if len(known) < 2 or not np.isfinite(known).all() or not math.isclose(known.mean(), mean, rel_tol=1e-3):
        return Estimate(value=mean)
    half = t_quantile((1 + CONFIDENCE) / 2, len(known) - 1) * float(known.std(ddof=1)) / math.sqrt(len(known))
    return Estimate(value=mean, lower=mean - half, upper=mean + half)


def proportion(successes: int, samples: int) -> Estimate:
    """A share with its Wilson score interval (Wilson 1927), which stays sound near 0 and 1."""
    z = t_quantile((1 + CONFIDENCE) / 2, math.inf)
    share = successes / samples
    middle = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * math.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    lower = 0.0 if successes == 0 else max(middle - half, 0.0)
    upper = 1.0 if successes == samples else min(middle + half, 1.0)
    return Estimate(value=share, lower=lower, upper=upper)
