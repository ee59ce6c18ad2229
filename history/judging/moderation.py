"""What the cases of a run say together of how far runs lie apart: a few runs of one case say little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

FEWEST_CASES: Final = 3
"""Cases below which each is judged by its own runs alone."""

_LEAST_EXCESS: Final = 1e-4
"""Variance of the logarithms beyond what chance gives, below which cases do not differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderation:
    """How the variances between runs are distributed over cases.

    Attributes:
        variance: That of the typical case.
        degrees: Degrees of freedom that it is worth for any single case; infinite where cases do not differ.
        most: Degrees of freedom of all cases together: as they share the noise of each run, fewer than the sum.
    """

    variance: float
    degrees: float
    most: float

    def of(self, variance: float, degrees: int) -> tuple[float, float]:
        """The variance to use for a case and its degrees of freedom; never less than the case's own runs show.

        Args:
            variance: Of its own runs.
            degrees: Their number less one.
        """
        if math.isinf(self.degrees):
            pooled = self.variance
        else:
            pooled = (self.degrees * self.variance + degrees * variance) / (self.degrees + degrees)
        return max(variance, pooled), max(degrees, min(self.degrees + degrees, self.most))


def moderation_of(series: Sequence[Sequence[float]]) -> Moderation | None:
    """Fits the distribution to the levels of cases over the same runs; None where there are too few to do so.

    Source: the moderated t statistic of Smyth (2004), whose prior is fitted by the moments of the logarithms of
    variances. It takes cases for independent, which those of one run are not; so the degrees of freedom are bounded by
    those of a sum of correlated variances (Box 1954), `(k - 1) n**2 / sum r**2` over all correlations `r` of n cases.

    Args:
        series: One level per run for each case, in the same order; cases that lack a run are left out.
    """
    longest = max((len(levels) for levels in series), default=0)
    complete = np.array([levels for levels in series if len(levels) == longest], dtype=np.float64)
    if len(complete) < FEWEST_CASES or longest < 2:
        return None
    degrees = longest - 1
    rest = complete - complete.mean(axis=1, keepdims=True)
    variances = (rest**2).sum(axis=1) / degrees
    if variances.min() <= 0:
        return None
    scaled = rest / np.sqrt(variances)[:, np.newaxis]
    correlations = scaled @ scaled.T / degrees
    most = degrees * len(complete) ** 2 / float((correlations**2).sum())
    logs = np.log(variances) - special.digamma(degrees / 2) + math.log(degrees / 2)
    excess = float(logs.var(ddof=1)) - float(special.polygamma(1, degrees / 2))
    if excess <= _LEAST_EXCESS:
        return Moderation(variance=float(variances.mean()), degrees=math.inf, most=most)
    from scipy import optimize

    half = float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-6, 2 / _LEAST_EXCESS))
    typical = math.exp(float(logs.mean()) + float(special.digamma(half)) - math.log(half))
    return Moderation(variance=typical, degrees=2 * half, most=most)
