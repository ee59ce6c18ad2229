"""At which runs a series of values changed its level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.statistics.student import t_quantile, t_tail

FALSE_ALARM: Final = 0.01
"""The chance that a trend names any change where there is none, divided among the series that it looks at."""

CONFIDENCE: Final = 0.95

FEWEST_VALUES: Final = 5
"""Values below which nothing is looked for."""

FEWEST_OF_A_LEVEL: Final = 2
"""A single value is never a level of its own: the next run shows whether it was one."""

QUIETEST: Final = 0.001
"""The least noise that is believed, in logarithms: a few tenths of a percent do not matter."""

_NEIGHBOURS: Final = 2
_FAR: Final = 3.0

_NORMAL_MEDIAN: Final = 0.6745
"""Median of the absolute value of a standard normal variable."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of level.

    Attributes:
        index: The first value of the new level.
        size: New level minus old.
        lower: Lower end of its 95% interval; None where nothing varies.
        upper: Upper end.
    """

    index: int
    size: float
    lower: float | None
    upper: float | None


def noise_of(values: Sequence[float]) -> float:
    """Standard deviation of a series around its levels, which a few changes of level hardly move.

    Source: neighbours differ by noise alone, so the median of their absolute differences, over 0.6745 and the root of
    2, estimates it (von Neumann's 1941 idea of successive differences, with a median in place of the mean).
    """
    if len(values) < 2:
        return 0.0
    return float(np.median(np.abs(np.diff(values)))) / (_NORMAL_MEDIAN * math.sqrt(2))


def exact_changes(values: Sequence[float]) -> list[Change]:
    """Every change of values in which there is no chance, such as the size of a file."""
    return [
        Change(index=index, size=after - before, lower=None, upper=None)
        for index, (before, after) in enumerate(pairwise(values), start=1)
        if not math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-12)
    ]


def find_changes(logs: Sequence[float], alpha: float) -> list[Change]:
    """Where the level of a noisy series changed, oldest first.

    Candidates come from ruptures: the segmentation into levels with the least sum of squares and a penalty of
    `2 log(n)` noise variances for each change (Yao 1988, for changes of a mean). With few values that alone sees a
    change in every tenth series of noise. So each candidate has to pass a t test between the levels on its two sides,
    with the variance of all values around their levels, at `alpha` divided by the places where a change could be
    (Bonferroni); the one that fails by most goes first, which joins its neighbours. To look for changes first and to
    test them after is what others who watch performance do (Fleming and others 2023, "Hunter").

    Args:
        logs: Logarithms of values, one per run, oldest first.
        alpha: Chance to see any change where there is none.
    """
    if len(logs) < FEWEST_VALUES:
        return []
    noise = max(noise_of(logs), QUIETEST)
    series = without_outliers(np.asarray(logs, dtype=np.float64), noise)
    bounds = _candidates((series - np.median(series)) / noise)
    while bounds:
        fit = _fit(series, bounds)
        chances = [_chance(fit, index) for index in range(len(bounds))]
        worst = max(range(len(bounds)), key=chances.__getitem__)
        if chances[worst] <= alpha / (len(series) - 1) / len(bounds):
            return [_change(fit, index) for index in range(len(bounds))]
        del bounds[worst]
    return []


def without_outliers(series: Values, noise: float) -> Values:
    """The series with what lies far from the median of its neighbours moved nearer; levels keep their edges.

    Source: the filter of Hampel, with a window of five values and a bound of three standard deviations (Pearson and
    others 2016). Runs of a busy machine are off by more than noise explains, and two of them are no level.
    """
    edges = np.pad(series, _NEIGHBOURS, mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(edges, 2 * _NEIGHBOURS + 1), axis=1)
    return np.clip(series, middle - _FAR * noise, middle + _FAR * noise)


def _candidates(scaled: Values) -> list[int]:
    """First values of new levels; `scaled` has noise of standard deviation 1."""
    from ruptures import KernelCPD

    search = KernelCPD(kernel="linear", min_size=FEWEST_OF_A_LEVEL).fit(scaled.reshape(-1, 1))
    return [int(end) for end in search.predict(pen=2 * math.log(len(scaled)))[:-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A series as levels: where each change is, the means between, and the spread around them."""

    bounds: Sequence[int]
    means: Sequence[float]
    counts: Sequence[int]
    deviation: float
    degrees: int

    def error(self, index: int) -> float:
        """Standard error of a change."""
        return self.deviation * math.sqrt(1 / self.counts[index] + 1 / self.counts[index + 1])

    def size(self, index: int) -> float:
        """Level after a change minus the level before."""
        return self.means[index + 1] - self.means[index]


def _fit(series: Values, bounds: Sequence[int]) -> _Fit:
    parts = np.split(series, bounds)
    degrees = len(series) - len(parts)
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return _Fit(
        bounds=tuple(bounds),
        means=[float(part.mean()) for part in parts],
        counts=[len(part) for part in parts],
        deviation=max(math.sqrt(squares / degrees), QUIETEST),
        degrees=degrees,
    )


def _chance(fit: _Fit, index: int) -> float:
    """How likely a change of this size is without any: two-sided."""
    return 2 * t_tail(abs(fit.size(index)) / fit.error(index), fit.degrees)


def _change(fit: _Fit, index: int) -> Change:
    half = t_quantile((1 + CONFIDENCE) / 2, fit.degrees) * fit.error(index)
    size = fit.size(index)
    return Change(index=fit.bounds[index], size=size, lower=size - half, upper=size + half)
