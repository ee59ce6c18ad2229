"""How many samples it takes to show that a change keeps within what is allowed."""

from __future__ import annotations

import math
from typing import Final

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.statistics.paired import PairedChange, tango_interval

MOST: Final = 10_000_000
"""Beyond so many nobody tests: the change is as large as what is allowed."""


def samples_needed(change: PairedChange, definition: MetricDefinition, allowed: float, alpha: float) -> int | None:
    """Samples whose interval would stay within what is allowed if the share of changed answers stayed the same.

    It is rounded up to two significant digits. None where the change itself is more than that, where the interval keeps
    to it already, or where no number of samples that anybody has would do. Without a changed answer it is about
    `z**2 / allowed`, by Tango's score interval.

    Args:
        change: What was found.
        definition: The metric, which says what is worse.
        allowed: How much worse the metric may become, in its own unit.
        alpha: Chance of error on each side.
    """
    is_smaller = definition.direction == SMALLER
    loss, worst = (change.change, change.upper) if is_smaller else (-change.change, -change.lower)
    if worst <= allowed or loss >= allowed:
        return None
    if change.broken is None or change.fixed is None:
        needed = change.samples * ((worst - loss) / (allowed - loss)) ** 2
        return _rounded(math.ceil(needed)) if needed <= MOST else None
    gained, lost = (change.fixed, change.broken) if not is_smaller else (change.broken, change.fixed)
    low, high = 1.0, MOST / change.samples
    if _worst(gained, lost, change.samples, high, alpha) > allowed:
        return None
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _worst(gained, lost, change.samples, middle, alpha) > allowed else (low, middle)
    return _rounded(math.ceil(change.samples * high))


def _worst(gained: int, lost: int, samples: int, times: float, alpha: float) -> float:
    """The loss that is still possible with so many times the samples, and as many times the changed answers."""
    counts = [round(times * each) for each in (gained, lost, samples)]
    return -tango_interval(counts[0], counts[1], counts[2], alpha)[0]


def _rounded(number: int) -> int:
    """Up to two significant digits."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return math.ceil(number / unit) * unit


def needed_text(change: PairedChange, needed: int) -> str:
    """`1,000 samples are too few: about 3,400 without a changed answer would show it`."""
    changed = None if change.broken is None or change.fixed is None else change.broken + change.fixed
    how = {None: "whose differences are alike", 0: "without a changed answer"}.get(
        changed, "with as many changed answers in proportion"
    )
    return f"{change.samples:,} samples are too few: about {needed:,} {how} would show it"
