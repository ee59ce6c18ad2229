"""Tables before any renderer dresses them, and how their numbers are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec import UNSET

from crossrt.reports.schema.records import Metric

WIDEST_SYMMETRIC = 0.2
MOST_LISTED = 12
Tone = Literal["good", "bad", "doubt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One table cell.

    Attributes:
        text: What it says; no meaning is in colour alone.
        best: Whether it is the best of its column, or cannot be told from the best.
        tone: How it is coloured.
    """

    text: str
    best: bool = False
    tone: Tone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: the first column names the case, all others hold numbers; the footer is lines below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_text: bool = False
    footer: tuple[str, ...] = ()


def percent(metric: Metric) -> str:
    """A share in percent."""
    return f"{100 * metric.value:.2f}"


def share_with_interval(metric: Metric) -> str:
    """A share in percent, and half of its interval."""
    return _with_interval(metric, 100, 2)


def microseconds(metric: Metric) -> str:
    """Nanoseconds as microseconds."""
    return f"{metric.value / 1000:.{_decimals(metric.value / 1000)}f}"


def microseconds_with_interval(metric: Metric) -> str:
    """Nanoseconds as microseconds, and half of their interval."""
    return _with_interval(metric, 1 / 1000, _decimals(metric.value / 1000))


def ratio_with_interval(metric: Metric) -> str:
    """A ratio, and half of its interval."""
    return _with_interval(metric, 1, 2)


def counted(number: int, what: str) -> str:
    """`1 batch`, `2 batches`."""
    plural = "es" if what.endswith("ch") else "s"
    return f"{number} {what}{plural if number != 1 else ''}"


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """Names in a line; of many the first, and how many more there are."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else ", ".join(names)


def _with_interval(metric: Metric, factor: float, decimals: int) -> str:
    """The value and half of its interval, rounded up; a wide interval is symmetric in factors, and said as one."""
    text = f"{metric.value * factor:.{decimals}f}"
    if metric.lower is UNSET or metric.upper is UNSET:
        return text
    lower, upper = metric.lower * factor, metric.upper * factor
    if lower > 0 and (upper - lower) / 2 > WIDEST_SYMMETRIC * metric.value * factor:
        return f"{text} ×÷{math.ceil(math.sqrt(upper / lower) * 10) / 10:.1f}"
    half = math.ceil((upper - lower) / 2 * 10**decimals) / 10**decimals
    return f"{text} ±{half:.{decimals}f}"


def _decimals(number: float) -> int:
    """As many as three significant digits need."""
    return 0 if number >= 1000 else 1 if number >= 10 else 2
