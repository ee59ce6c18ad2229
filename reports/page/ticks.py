"""Ticks of logarithmic axes, chosen from what the axis shows, error bars included."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.packages import named_packages

with named_packages():
    from matplotlib.axis import Axis
    from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullLocator

STRAIGHT: Final = 4.0
"""A ratio of the largest to the smallest number up to which ticks lie at equal distances."""

ENOUGH_TICKS, MOST_TICKS = 4, 8
_LEAST_SPAN: Final = 1 + 1e-9
_FACTORS: Final = ((1.0, 2.0, 5.0), (1.0, 2.0, 3.0, 5.0, 7.0), (1.0, 3.0), (1.0,))


class LogTicks(LogLocator):
    """From three to eight ticks on any logarithmic axis: of one that spans percents, of one that spans decades."""

    def nonsingular(self, vmin: float, vmax: float) -> tuple[float, float]:
        """The ends of the axis: around a single number a factor of two to each side; any where nothing is positive."""
        if not 0 < vmax < math.inf:
            return 1.0, 10.0
        low, high = super().nonsingular(vmin, vmax)
        return (low, high) if _LEAST_SPAN * vmin < vmax else (vmax / 2, vmax * 2)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Places of the ticks between two positive numbers."""
        low, high = sorted((vmin, vmax))
        best: list[float] = []
        for locator in _locators(low, high):
            found = [float(each) for each in locator.tick_values(low, high) if low <= each <= high]
            if len(best) < len(found) <= MOST_TICKS:
                best = found
            if len(best) >= ENOUGH_TICKS or len(found) < len(best):
                break
        return best


def log_ticks(axis: Axis) -> None:
    """Readable ticks on a logarithmic axis, written in full: 2,000,000, not 2e+06."""
    axis.set_major_locator(LogTicks())
    axis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.12g}"))
    axis.set_minor_locator(NullLocator())


def _locators(low: float, high: float) -> Iterator[Locator]:
    """Of the ticks that may do, the best first."""
    if high <= STRAIGHT * low:
        yield MaxNLocator(5, steps=[1, 2, 5, 10])
    for factors in _FACTORS:
        yield LogLocator(subs=factors, numticks=1000)
    for decades in range(2, 100):
        yield LogLocator(base=10.0**decades, numticks=1000)
