"""Factors that models multiply their inputs with, in words, and the values that they expect."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from crossrt.core.tensor import ExpectedRange

LARGE: Final = 1 / 8
"""Factors above are no rescaling of pixels or of other integers, so nothing follows about the values before them."""

DEVIATIONS: Final = 3
"""Standard deviations around a mean within which most values lie."""


def factor_text(scale: float) -> str:
    """`1/255` where that is what it is."""
    near = Fraction(scale).limit_denominator(1000)
    is_near = scale != 0 and abs(float(near) - scale) < 1e-6 * abs(scale)
    return str(near) if is_near else f"{scale:g}"


def expected(scale: float) -> str:
    """Which values a factor expects."""
    return "raw values, such as 0..255" if 0 < abs(scale) <= 1 / 60 else "values before that scale"


def range_before(name: str, what: str, scale: float, offset: float = 0.0) -> ExpectedRange | None:
    """Values that `scale * x + offset` brings to 0..1, or to -1..1 where the offset says so; None where nothing tells.

    Args:
        name: The input.
        what: The first layer, in words.
        scale: The factor.
        offset: What is added.
    """
    if not 0 < scale <= LARGE:
        return None
    low, high = (offset, offset + 2) if offset <= -0.75 else (offset, offset + 1)
    return ExpectedRange(
        input=name, minimum=round((low - offset) / scale, 6), maximum=round((high - offset) / scale, 6), because=what
    )


def range_around(name: str, what: str, means: Sequence[float], deviations: Sequence[float]) -> ExpectedRange | None:
    """Values that a normalization by these means and standard deviations was made for."""
    if not means or len(means) != len(deviations) or not all(each > 0 for each in deviations):
        return None
    pairs = list(zip(means, deviations, strict=True))
    return ExpectedRange(
        input=name,
        minimum=min(mean - DEVIATIONS * deviation for mean, deviation in pairs),
        maximum=max(mean + DEVIATIONS * deviation for mean, deviation in pairs),
        because=what,
    )
