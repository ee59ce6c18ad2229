"""Quantiles and tails of Student's t and the normal distribution.

What every table asks for is computed here: scipy.stats takes most of a second to import, and scipy.special as long as
everything else that shows a report. Functions import the latter for the rest, here and in modules beside this one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

LARGEST_HALF: Final = 600.0
"""Of an interval of logarithms: the bounds of a wider one are no numbers any more."""

_MOST_DEGREES: Final = 200
"""Above, and for broken degrees of freedom, scipy is asked."""
_MOST_STEPS: Final = 200


@lru_cache(maxsize=1024)
def t_quantile(share: float, degrees: float) -> float:
    """The value below which a share of the distribution lies; infinite degrees of freedom make it the normal one."""
    if 0 < share < 1 and math.isinf(degrees):
        return NormalDist().inv_cdf(share)
    if 0 < share < 1 and degrees in range(1, _MOST_DEGREES + 1):
        value = _upper_quantile(max(share, 1 - share), int(degrees))
        return value if share >= 0.5 else -value
    from scipy import special

    return float(special.stdtrit(degrees, share) if math.isfinite(degrees) else special.ndtri(share))


def t_tail(value: float, degrees: float) -> float:
    """The share of the distribution above a value."""
    from scipy import special

    return float(special.stdtr(degrees, -value) if math.isfinite(degrees) else special.ndtr(-value))


def _upper_quantile(share: float, degrees: int) -> float:
    """The quantile of a share of at least a half, by Newton's method.

    It begins at the normal quantile, which is smaller; above 0 the distribution is concave, so that each step comes
    nearer from below, until rounding ends it.
    """
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
    value = NormalDist().inv_cdf(share) if share > 0.5 else 0.0
    for _ in range(_MOST_STEPS):
        density = math.exp(log_scale - (degrees + 1) / 2 * math.log1p(value * value / degrees))
        step = (share - 0.5 - _central(value, degrees) / 2) / density
        value += step
        if step <= 1e-15 * value:
            break
    return value


def _central(value: float, degrees: int) -> float:
    """The share between `-value` and `value`, for whole degrees of freedom.

    Source: Abramowitz and Stegun (1964), Handbook of Mathematical Functions, equations 26.7.3 and 26.7.4.
    """
    angle = math.atan2(value, math.sqrt(degrees))
    sine, squared = math.sin(angle), math.cos(angle) ** 2
    is_odd = degrees % 2
    term = math.cos(angle) if is_odd else 1.0
    terms = [term] if degrees > 1 else []
    for each in range(3 if is_odd else 2, degrees - 1, 2):
        term *= squared * (each - 1) / each
        terms.append(term)
    total = sine * math.fsum(terms)
    return 2 / math.pi * (angle + total) if is_odd else total
