"""The table of all cases, to be sorted and filtered; every cell holds the exact number beside the written one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from crossrt.core.metric import MetricDefinition
from crossrt.reports.page.document import render
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.latency import speedup_tone
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.tables.order import fastest_of
from crossrt.reports.text.cells import title_of

FIRST: Final = ("latency_p50_ns", "speedup_p50")
LAST: Final = ("size_bytes", "peak_memory_bytes")
MOST_SHOWN: Final = 3
"""Metrics of the task that are shown before a reader asks for all columns."""

_LEFT_OUT: Final = ("slowdown_p50",)
_WITH_INTERVAL: Final = ("latency_p50_ns", "speedup_p50")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric as a column.

    Attributes:
        metric: Its name in the report.
        title: The heading.
        says: What it means, for who points at the heading.
        has_interval: Whether half of the interval is written too.
        is_extra: Whether it is shown only where a reader asks for all columns.
    """

    metric: str
    title: str
    says: str
    has_interval: bool
    is_extra: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A cell: what is written, the exact number to sort by or None, and how it is dressed."""

    column: Column
    text: str
    number: float | None
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case."""

    result: Result
    variant: str
    values: tuple[Value, ...]


def case_table(report: Report) -> Markup:
    """The table with its filters."""
    look = Lookup(report)
    columns = columns_of(look)
    marked = _marked(look, columns)
    rows = [
        Row(
            result=result,
            variant=result.variant or result.artifact,
            values=tuple(_value(look, result, column, marked) for column in columns),
        )
        for result in report.results
    ]
    return render(
        "cases.html",
        columns=columns,
        rows=rows,
        filters=_filters(rows),
        has_extra=any(column.is_extra for column in columns),
        has_threads=len({row.result.threads for row in rows}) > 1,
        has_io=len({row.result.io for row in rows}) > 1,
        has_models=len({row.result.model for row in rows}) > 1,
        has_status=any(row.result.status != "ok" for row in rows),
        example=f"{rows[0].variant}@{rows[0].result.runtime}" if rows else "",
    )


def _filters(rows: Sequence[Row]) -> Mapping[str, Sequence[str | int]]:
    """What a reader may choose by: only that of which there are several."""
    choices: dict[str, Sequence[str | int]] = {
        "model": _distinct(row.result.model for row in rows if row.result.model),
        "variant": _distinct(row.variant for row in rows),
        "runtime": _distinct(row.result.runtime for row in rows),
        "batch": sorted({row.result.batch_size for row in rows}),
    }
    return {name: found for name, found in choices.items() if len(found) > 1}


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def columns_of(look: Lookup) -> list[Column]:
    """Every metric that a case has: how fast, how right, how large, then the rest."""
    known = {metric.name for metric in look.report.metrics}
    measured = {name: each for name, each in look.definitions.items() if name in known and name not in _LEFT_OUT}
    scored = {name for result in look.report.results if result.evaluation for name in result.evaluation.values}
    task = [name for name in measured if name in scored]
    shown = [*FIRST, *task[:MOST_SHOWN], *LAST]
    return [
        _column(measured[name], is_extra=name not in shown)
        for name in dict.fromkeys((*shown, *task, *measured))
        if name in measured
    ]


def _column(definition: MetricDefinition, *, is_extra: bool) -> Column:
    name = definition.name
    return Column(
        metric=name,
        title=title_of(definition),
        says=definition.description or definition.label,
        has_interval=name in _WITH_INTERVAL or definition.judged_by == "samples",
        is_extra=is_extra,
    )


def _marked(look: Lookup, columns: Sequence[Column]) -> dict[str, frozenset[str]]:
    """The cases that are best in a column, scenario by scenario where it is a time."""
    results = look.report.results
    scenarios = dict.fromkeys(scenario_of(result) for result in results)
    here = {each: [result for result in results if scenario_of(result) == each] for each in scenarios}
    found = [fastest_of(look, cases) for cases in here.values()]
    fastest = frozenset(case for each in found if each is not None for case in each.marked)
    sound = [result for result in results if result.status == "ok"]
    exact = [name for column in columns if look.definitions[name := column.metric].judged_by == "samples"]
    best = {name: look.best_answers(name, sound) for name in exact}
    return {**best, "size_bytes": look.extreme("size_bytes", sound), "latency_p50_ns": fastest}


def _value(look: Lookup, result: Result, column: Column, marked: Mapping[str, frozenset[str]]) -> Value:
    metric = look.metric(result, column.metric)
    if metric is None:
        return Value(column=column, text=ABSENT, number=None, tone="")
    text = look.text(metric, interval=column.has_interval)
    if column.metric == "speedup_p50":
        tone = speedup_tone(metric, look.noise(scenario_of(result))) or ""
        return Value(column=column, text=text, number=metric.value, tone=tone)
    is_best = result.case in marked.get(column.metric, ())
    return Value(column=column, text=text + "*" * is_best, number=metric.value, tone="good" if is_best else "")
