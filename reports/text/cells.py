"""Tables before any renderer dresses them, and how the numbers of a metric are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from crossrt.core.metric import MetricDefinition, NumberFormat
from crossrt.reports.schema.records import Metric

WIDEST_SYMMETRIC: Final = 0.2
MOST_FACTOR: Final = 10
"""Of an interval beyond which it says next to nothing: how far beyond is not told."""

MOST_LISTED: Final = 12
Tone = Literal["good", "bad", "doubt"]

_SCALES: Final[Mapping[NumberFormat, tuple[float, int | None, str]]] = {
    "percent": (100, 2, "%"),
    "decimal": (1, 2, ""),
    "significant": (1, None, ""),
    "count": (1, 0, ""),
    "microseconds": (1e-3, None, "µs"),
    "milliseconds": (1e-6, None, "ms"),
    "kilobytes": (1e-3, 1, "KB"),
    "megabytes": (1e-6, 1, "MB"),
}
"""Factor, decimals (None for three significant digits) and unit of each format."""

OWN_UNITS: Final = ("output", "label")
"""Units of the model's own outputs and of their labels, which say nothing to a reader."""

_WITHOUT_UNIT: Final = ("share", "ratio", "ns", "bytes", "1/s", "kernels", "1", "", *OWN_UNITS)
"""Units that are written with the number, or say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One table cell.

    Attributes:
        text: What it says; no meaning is in colour alone.
        best: Whether it is the best of its column, or statistically indistinguishable from the best.
        tone: How it is coloured.
    """

    text: str
    best: bool = False
    tone: Tone | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: the first column names the case, all others hold numbers; the footer is lines below.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: As many cells as there are columns.
        is_text: True if other columns than the first hold text, which may be wrapped.
        footer: Lines below.
        dropped_first: Headings of the columns that are left out where there is too little room, the least important
            first; where that is not enough, others follow from the last on.
        kept: Headings of columns that are never left out, such as that of a verdict.
        wrapped: Headings of columns that hold names or text, as the first one does: they may go on in the next line.
        about: Lines of the footer that explain columns, each with their headings: left out together with these.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_text: bool = False
    footer: tuple[str, ...] = ()
    dropped_first: tuple[str, ...] = ()
    wrapped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    about: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def without(self, columns: Sequence[str]) -> Sheet:
        """The same without some columns."""
        kept = [index for index, name in enumerate(self.columns) if name not in columns]
        left = tuple(self.columns[index] for index in kept)
        needless = [line for line, explained in self.about if not set(explained) & set(left)]
        return replace(
            self,
            columns=left,
            rows=tuple(tuple(row[index] for index in kept) for row in self.rows),
            footer=tuple(line for line in self.footer if line not in needless),
        )

    def without_empty(self, absent: str) -> Sheet:
        """The same without columns in which no row says anything; no rows where only the first column is left."""
        empty = [
            name
            for index, name in enumerate(self.columns)
            if index and all(row[index].text == absent for row in self.rows)
        ]
        left = self.without(empty)
        return left if len(left.columns) > 1 else replace(left, rows=())


def unit_of(definition: MetricDefinition) -> str:
    """The unit in which values are written, or nothing."""
    written = _SCALES[definition.format][2]
    return written or ("" if definition.unit in _WITHOUT_UNIT else definition.unit)


def scale_of(definition: MetricDefinition) -> float:
    """What stored values are multiplied by to be in the unit of `unit_of`, such as for an axis."""
    return _SCALES[definition.format][0]


def title_of(definition: MetricDefinition) -> str:
    """The heading of a column: the label and the unit."""
    return f"{definition.label} {unit_of(definition)}".strip()


def written(value: float, number_format: NumberFormat) -> str:
    """A value in the unit of its format."""
    factor, decimals, _ = _SCALES[number_format]
    scaled = value * factor
    if decimals is not None:
        return f"{scaled:z,.{decimals}f}"
    if number_format == "significant":
        return f"{scaled:z.3g}"
    return f"{scaled:z,.{_decimals(scaled)}f}"


def value_text(metric: Metric, definition: MetricDefinition) -> str:
    """A metric without its interval."""
    return written(metric.value, definition.format)


def interval_text(metric: Metric, definition: MetricDefinition) -> str:
    """A metric and half of its interval, rounded up; a wide interval is symmetric in factors, and said as one."""
    lower, upper = metric.interval or (None, None)
    return range_text(metric.value, lower, upper, definition.format)


def range_text(value: float, lower: float | None, upper: float | None, number_format: NumberFormat) -> str:
    """Likewise, of a value and its bounds; without them where one is None."""
    text = written(value, number_format)
    if lower is None or upper is None:
        return text
    factor, decimals, _ = _SCALES[number_format]
    lower, upper, value = lower * factor, upper * factor, value * factor
    if number_format != "percent" and lower > 0 and (upper - lower) / 2 > WIDEST_SYMMETRIC * value:
        factor_of_half = math.ceil(math.sqrt(upper / lower) * 10) / 10
        return f"{text} ×÷{factor_of_half:.1f}" if factor_of_half <= MOST_FACTOR else f"{text} ×÷>{MOST_FACTOR}"
    if number_format == "significant":
        return f"{text} ±{(upper - lower) / 2:.2g}"
    places = _decimals(value) if decimals is None else decimals
    half = math.ceil((upper - lower) / 2 * 10**places) / 10**places
    return f"{text} ±{half:,.{places}f}"


def counted(number: int, what: str) -> str:
    """`1 batch`, `2 batches`."""
    plural = "es" if what.endswith(("ch", "ss")) else "s"
    return f"{number:,} {what}{plural if number != 1 else ''}"


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """Names in a line; of many the first, and how many more there are."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else ", ".join(names)


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """Reasons by item, in lines: items that share a reason share a line."""
    items: dict[str, list[str]] = {}
    for item, reason in reasons.items():
        items.setdefault(reason, []).append(item)
    return [f"{', '.join(names)}: {reason}" for reason, names in items.items()]


def _decimals(number: float) -> int:
    """As many as three significant digits need."""
    return 0 if abs(number) >= 1000 else 1 if abs(number) >= 10 else 2


def time_text(ratio: float) -> str:
    """`4.0% more time`, `0.2% less time`: a ratio of times near 1 in words."""
    return f"{abs(ratio - 1):.1%} {'less' if ratio < 1 else 'more'} time"


def times_as_fast(ratio: float, decimals: int = 2) -> str:
    """`twice as fast`, `1.05 times as fast`: a ratio of times in words."""
    text = f"{ratio:.{decimals}f}"
    return "twice as fast" if float(text) == 2 else f"{text} times as fast"
