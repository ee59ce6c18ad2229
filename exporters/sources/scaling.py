"""Factors that models multiply their inputs with, in words."""

from __future__ import annotations

from fractions import Fraction


def factor_text(scale: float) -> str:
    """`1/255` where that is what it is."""
    near = Fraction(scale).limit_denominator(1000)
    is_near = scale != 0 and abs(float(near) - scale) < 1e-6 * abs(scale)
    return str(near) if is_near else f"{scale:g}"


def expected(scale: float) -> str:
    """Which values a factor expects."""
    return "raw values, such as 0..255" if 0 < abs(scale) <= 1 / 60 else "values before that scale"
