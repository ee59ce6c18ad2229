"""The cases of a scenario as a text chart: latency against accuracy, or against the relative error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import unit_of
from crossrt.reports.verdicts.choice.pareto import Front, p50
from crossrt.reports.verdicts.choice.relations import Relating, relative_error

_MARKS: Final = ("x", "+")

_HEIGHT: Final = 10
_ROOM_OF_LABELS: Final = 16
_DECIMALS: Final = range(2, 7)

Point = tuple[float, float]


def front_plot(report: Report, front: Front, width: int) -> str:
    """The metric that the task is about, or the relative error, and latency as text; empty where nothing is known.

    The axes are labelled where the outermost points are, with their values.
    """
    from uniplot import plot_to_string

    look = Relating(report).look
    groups = {  # the unbeaten are drawn last, so that no other mark covers theirs
        "beaten": [each.result for each in front.standings if each.beaten_by is not None],
        "unbeaten": [each.result for each in front.standings if each.beaten_by is None],
    }
    points = {name: list(_points(look, results)) for name, results in groups.items()}
    named = {name: found for name, found in points.items() if found}
    if not named:
        return ""
    primary = look.primary
    chart = plot_to_string(
        xs=[[x for x, _ in found] for found in named.values()],
        ys=[[y for _, y in found] for found in named.values()],
        legend_labels=list(named),
        title=f"{primary.label if primary else 'relative error'} and p50",
        width=width - _ROOM_OF_LABELS,
        height=_HEIGHT,
        character_set="ascii",
        force_ascii_characters=[mark for name, mark in zip(groups, _MARKS, strict=True) if name in named],
        color=False,
        x_labels=False,
        y_labels=False,
    )
    unit = unit_of(primary) if primary else "%"
    return _labelled(str(chart), [point for found in named.values() for point in found], unit)


def _labelled(chart: str, points: Sequence[Point], unit: str) -> str:
    """Writes the values of the outermost points beside their rows and below their columns."""
    lines = chart.splitlines()
    rows = [index for index, line in enumerate(lines) if line.startswith("│") and set(line) & set(_MARKS)]
    columns = [index for row in rows for index, mark in enumerate(lines[row]) if mark in _MARKS]
    bottom = next(index for index, line in enumerate(lines) if line.startswith("└"))
    low, high = _texts([y for _, y in points], unit)
    lines[rows[-1]] += f" {low}"
    if rows[0] != rows[-1]:
        lines[rows[0]] += f" {high}"
    first, last = _texts([x for x, _ in points], "µs")
    return "\n".join([*lines[: bottom + 1], _below(min(columns), first, max(columns), last), *lines[bottom + 1 :]])


def _texts(values: Sequence[float], unit: str) -> tuple[str, str]:
    """The least and the largest value, with as many decimals as tell them apart."""
    low, high = min(values), max(values)
    decimals = next((each for each in _DECIMALS if low == high or f"{low:.{each}f}" != f"{high:.{each}f}"), 2)
    first, last = (f"{each:,.{decimals}f} {unit}".rstrip() for each in (low, high))
    return first, last


def _below(left: int, first: str, right: int, last: str) -> str:
    """Two labels centred below their columns, the second one only where it has room."""
    line = " " * max(0, left - len(first) // 2) + first
    start = max(0, right - len(last) // 2)
    return f"{line:<{start}}{last}" if start > len(line) else line


def _points(look: Lookup, results: Sequence[Result]) -> Iterator[tuple[float, float]]:
    for result in results:
        x, y = p50(look, result) / 1000, _height(look, result)
        if y is not None and math.isfinite(x):
            yield x, y


def _height(look: Lookup, result: Result) -> float | None:
    if look.primary is None:
        error = relative_error(result)
        return None if error is None else 100 * error
    metric = look.metric(result, look.primary.name)
    if metric is None:
        return None
    return 100 * metric.value if look.primary.format == "percent" else metric.value
