"""What every plot of a page has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from msgspec import UNSET

from crossrt.reports.page.figures import COLORS
from crossrt.reports.schema.records import Metric

WIDTH_IN = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawn figure.

    Attributes:
        name: Of its file, without an ending.
        figure: The drawing.
        caption: How to read it.
    """

    name: str
    figure: Figure
    caption: str


def safe_name(text: str) -> str:
    """Text that may be part of a file's name."""
    return re.sub(r"[^\w.-]+", "_", text).strip(".") or "_"


def bounds(metric: Metric, scale: float) -> tuple[float, float, float]:
    """The scaled value, and how far its interval reaches below and above it; 0 where no interval is known."""
    lower = 0.0 if metric.lower is UNSET else metric.value - metric.lower
    upper = 0.0 if metric.upper is UNSET else metric.upper - metric.value
    return metric.value * scale, max(lower, 0.0) * scale, max(upper, 0.0) * scale


def color_of(name: str, names: Sequence[str]) -> str:
    """The colour of one of several series."""
    return COLORS[list(names).index(name) % len(COLORS)]
