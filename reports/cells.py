"""Tables before any renderer dresses them, and how their numbers are written."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from reports.schema import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One table cell; `best` marks the best of its column, or what cannot be told from the best."""

    text: str
    best: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: the first column names the case, all others hold numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_text: bool = False


def percent(metric: Metric) -> str:
    """A share in percent."""
    return f"{100 * metric.value:.2f}"


def share_with_interval(metric: Metric) -> str:
    """A share in percent, and half of its interval."""
    return _with_interval(metric, 100, "{:.2f}")


def microseconds(metric: Metric) -> str:
    """Nanoseconds as microseconds."""
    return _layout_of(metric.value / 1000).format(metric.value / 1000)


def microseconds_with_interval(metric: Metric) -> str:
    """Nanoseconds as microseconds, and half of their interval."""
    return _with_interval(metric, 1 / 1000, _layout_of(metric.value / 1000))


def ratio_with_interval(metric: Metric) -> str:
    """A ratio, and half of its interval."""
    return _with_interval(metric, 1, "{:.2f}")


def counted(number: int, what: str) -> str:
    """`1 batch`, `2 batches`."""
    plural = "es" if what.endswith("ch") else "s"
    return f"{number} {what}{plural if number != 1 else ''}"


def _with_interval(metric: Metric, factor: float, layout: str) -> str:
    text = layout.format(metric.value * factor)
    if metric.lower is UNSET or metric.upper is UNSET:
        return text
    return f"{text} ±{layout.format((metric.upper - metric.lower) / 2 * factor)}"


def _layout_of(number: float) -> str:
    """Three significant digits at least, and no more decimals than that needs."""
    return "{:.0f}" if number >= 1000 else "{:.1f}" if number >= 10 else "{:.2f}"
