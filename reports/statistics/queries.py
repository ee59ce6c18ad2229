"""How many queries a tail latency takes, after MLPerf Inference.

Source: MLPerf Inference Rules, appendices "Number of Queries" and "Early Stopping Criterion", as LoadGen computes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CONFIDENCE: Final = 0.99
QUERY_STEP: Final = 2**13
"""MLPerf rounds numbers of queries up to a multiple of this."""

MARGIN_SHARE: Final = 20
"""The margin of error is this part of the distance of the percentile from 100%."""


def minimum_queries(percentile: float, confidence: float = CONFIDENCE) -> int:
    """Queries from which a percentile is known to a twentieth of its distance from 100%.

    `z((1 - confidence) / 2)**2 * p * (1 - p) / margin**2` with `margin = (1 - p) / 20`, rounded up to a multiple of
    2**13: 24,576 for the 90th percentile, 57,344 for the 95th and 270,336 for the 99th. Source: see the module.

    Args:
        percentile: In percent.
        confidence: As a share.
    """
    from scipy import special  # not at import: see `student`

    p = percentile / 100
    margin = (1 - p) / MARGIN_SHARE
    needed = special.ndtri((1 - confidence) / 2) ** 2 * p * (1 - p) / margin**2
    return QUERY_STEP * math.ceil(float(needed) / QUERY_STEP - 1e-9)


def most_over(queries: int, percentile: float, alpha: float) -> int | None:
    """The most queries over the bound that still show the percentile within it, or None for too few queries.

    The largest `t` with `P(Binomial(n, 1 - p) <= t) <= alpha`. Source: see the module; `alpha` is one less the
    confidence there, and the tolerance is 0.
    """
    from scipy import special  # not at import: see `student`

    low, high = -1, queries
    while low < high - 1:
        middle = (low + high) // 2
        if special.bdtr(middle, queries, 1 - percentile / 100) <= alpha:
            low = middle
        else:
            high = middle
    return low if low >= 0 else None


def least_over(queries: int, percentile: float, alpha: float) -> int:
    """The fewest queries over the bound that show the percentile beyond it: `P(Binomial(n, 1 - p) >= t) <= alpha`.

    The other side of `most_over`; `queries + 1` where no number of them does.
    """
    from scipy import special  # not at import: see `student`

    low, high = 0, queries + 1
    while low < high - 1:
        middle = (low + high) // 2
        if special.bdtrc(middle - 1, queries, 1 - percentile / 100) <= alpha:
            high = middle
        else:
            low = middle
    return high


def early_stopping_estimate(
    latencies_ns: Sequence[int], percentile: float, confidence: float = CONFIDENCE
) -> int | None:
    """MLPerf's estimate of a percentile: the latency below which it lies with this confidence.

    The `t`-th largest of all, `t` being `most_over` of their number. None for fewer than 64 queries at the 90th, 662 at
    the 99th percentile. Source: see the module.
    """
    count = len(latencies_ns)
    allowed = most_over(count, percentile, 1 - confidence) if count else None
    return sorted(latencies_ns)[count - allowed] if allowed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When a trial is judged.

    It holds with at most `most_over` of the queries over the bound and fails with `least_over` or more; between these
    two it goes on.
    """

    queries: int
    most_over: int
    least_over: int


def looks(percentile: float, confidence: float, fewest: int = 0) -> tuple[Look, ...]:
    """When a trial is judged: after the minimum of queries, a half of that, a quarter and so on.

    The chance of error is divided among all looks but the last (Bonferroni); the last one is MLPerf's plain rule, which
    asks whether the percentile is within the bound.

    Args:
        percentile: In percent.
        confidence: Of what the early looks say.
        fewest: Queries before which none is made.
    """
    last = minimum_queries(percentile, confidence)
    numbers = [last >> step for step in range(1, 24) if last >> step >= max(fewest, 1)]
    alpha = (1 - confidence) / max(len(numbers), 1)
    early = [
        Look(queries=number, most_over=most, least_over=least_over(number, percentile, alpha))
        for number in reversed(numbers)
        if (most := most_over(number, percentile, alpha)) is not None
    ]
    allowed = math.floor(last * (1 - percentile / 100) + 1e-9)
    return (*early, Look(queries=last, most_over=allowed, least_over=allowed + 1))
