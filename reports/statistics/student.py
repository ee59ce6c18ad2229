"""Student's t, the normal and the binomial distribution, as far as showing a report needs them.

scipy has them all, and importing any part of it takes longer than everything else that `crossrt show` does together.
The tests compare every function with scipy's.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_MANY: Final = 400.0
"""Degrees of freedom from which the expansion around the normal distribution is exact to ten places."""
_ALL_BUT_NORMAL: Final = 1e7
_TOLERANCE: Final = 1e-15
_MOST_TERMS: Final = 20_000
_CLOSE: Final = 1e-13
_MOST_STEPS: Final = 200


def normal_quantile(share: float) -> float:
    """The value below which a share of the normal distribution lies."""
    return _NORMAL.inv_cdf(share) if 0 < share < 1 else math.copysign(math.inf, share - 0.5)


@lru_cache(maxsize=4096)
def t_quantile(share: float, degrees: float) -> float:
    """The value below which a share of the distribution lies; infinite degrees of freedom make it the normal one."""
    normal = normal_quantile(share)
    if math.isinf(degrees) or math.isinf(normal) or normal == 0:
        return normal
    if degrees >= _MANY:
        return _expanded(normal, degrees)
    return math.copysign(_solved(min(share, 1 - share), degrees), normal)


def t_tail(value: float, degrees: float) -> float:
    """The share of the distribution above a value."""
    if math.isinf(value) or degrees >= _ALL_BUT_NORMAL:
        return math.erfc(value / math.sqrt(2)) / 2
    square = value * value
    if square < 1:
        return 0.5 - math.copysign(regularized_beta(square / (degrees + square), 0.5, degrees / 2) / 2, value)
    half = regularized_beta(degrees / (degrees + square), degrees / 2, 0.5) / 2
    return half if value > 0 else 1 - half


def sign_test(fewer: int, trials: int) -> float:
    """Two-sided p-value of so few of so many trials that go either way with the same chance."""
    if trials == 0 or 2 * fewer >= trials:
        return 1.0
    return min(1.0, 2 * regularized_beta(0.5, trials - fewer, fewer + 1))


def _expanded(normal: float, degrees: float) -> float:
    """The quantile by its expansion in powers of 1 / degrees (Fisher and Cornish 1960)."""
    z, square = normal, normal * normal
    terms = (
        (square + 1) * z / 4,
        ((5 * square + 16) * square + 3) * z / 96,
        (((3 * square + 19) * square + 17) * square - 15) * z / 384,
        ((((79 * square + 776) * square + 1482) * square - 1920) * square - 945) * z / 92_160,
    )
    return z + sum(term / degrees ** (power + 1) for power, term in enumerate(terms))


def _solved(tail: float, degrees: float) -> float:
    """The value above which a share lies, by Newton's method between bounds that close in."""
    low, high, value = 0.0, math.inf, _expanded(-normal_quantile(tail), max(degrees, 4.0))
    for _ in range(_MOST_STEPS):
        excess = t_tail(value, degrees) - tail
        low, high = (value, high) if excess > 0 else (low, value)
        following = value + excess / _density(value, degrees)
        if not low <= following <= high:
            following = (low + min(high, 2 * low + 1)) / 2
        if abs(following - value) <= _CLOSE * value:
            return following
        value = following
    return value


def _density(value: float, degrees: float) -> float:
    logarithm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    return math.exp(logarithm - (degrees + 1) / 2 * math.log1p(value * value / degrees))


def regularized_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Didonato and Morris 1992; Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - regularized_beta(1 - x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """`1 + d1 / (1 + d2 / (1 + ...))`."""
    found, upper, lower = 1.0, 1.0, 0.0
    for term in range(1, _MOST_TERMS):
        m = term // 2
        if term % 2:
            step = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            step = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + step * lower)
        upper = 1 + step / upper
        found *= upper * lower
        if abs(upper * lower - 1) < _TOLERANCE:
            break
    return found
