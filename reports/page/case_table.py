"""The table of all cases, to be sorted and filtered; every cell holds the exact number beside the written one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from crossrt.reports.page.document import render
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.latency import fastest_cases, speedup_tone
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import (
    microseconds,
    microseconds_with_interval,
    percent,
    ratio_with_interval,
    share_with_interval,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric as a column.

    Attributes:
        metric: Its name in the report.
        title: The heading.
        text: How it is written.
        says: What it means, for who points at the heading.
    """

    metric: str
    title: str
    text: Callable[[Metric], str]
    says: str


COLUMNS: Final = (
    Column(metric="latency_p50_ns", title="p50 µs", text=microseconds_with_interval, says="median latency of one call"),
    Column(metric="latency_p90_ns", title="p90 µs", text=microseconds, says="90th percentile of a call"),
    Column(metric="latency_p99_ns", title="p99 µs", text=microseconds, says="99th percentile of a call"),
    Column(metric="throughput_per_s", title="digits/s", text=lambda m: f"{m.value:,.0f}", says="batch size over p50"),
    Column(metric="speedup_p50", title="speed-up", text=ratio_with_interval, says="times faster than the baseline"),
    Column(metric="top1", title="top-1 %", text=share_with_interval, says="share of test digits called right"),
    Column(metric="agreement_fp32", title="agree %", text=percent, says="share of digits answered like Keras does"),
    Column(metric="max_abs_error", title="max diff", text=lambda m: f"{m.value:.2g}", says="largest logit difference"),
    Column(metric="size_bytes", title="KB", text=lambda m: f"{m.value / 1000:,.1f}", says="size of the model file"),
    Column(metric="load_ns", title="load ms", text=lambda m: f"{m.value / 1e6:.2f}", says="preparing the session"),
    Column(metric="first_run_ns", title="first run µs", text=microseconds, says="first call of a fresh session"),
    Column(
        metric="peak_memory_bytes",
        title="peak MB",
        text=lambda m: f"{m.value / 1e6:.1f}",
        says="memory of a process of its own, Python and runtime included",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A cell: what is written, the exact number to sort by or None, and how it is dressed."""

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
    look, columns = Lookup(report), [column for column in COLUMNS if _is_known(report, column.metric)]
    variants = {artifact.id: artifact.variant for artifact in report.artifacts}
    marked = _marked(look, report.results)
    rows = [
        Row(
            result=result,
            variant=variants.get(result.artifact, result.artifact),
            values=tuple(_value(look, result, column, marked) for column in columns),
        )
        for result in report.results
    ]
    return render(
        "cases.html",
        columns=columns,
        rows=rows,
        filters={
            "variant": _distinct(row.variant for row in rows),
            "runtime": _distinct(row.result.runtime for row in rows),
            "batch": sorted({row.result.batch_size for row in rows}),
        },
        has_threads=len({row.result.threads for row in rows}) > 1,
        has_io=len({row.result.io for row in rows}) > 1,
        has_models=len({artifact.model for artifact in report.artifacts}) > 1,
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _is_known(report: Report, name: str) -> bool:
    return any(metric.name == name for metric in report.metrics)


def _marked(look: Lookup, results: Sequence[Result]) -> dict[str, frozenset[str]]:
    """The cases that are best in a column, scenario by scenario where it is a time."""
    scenarios = dict.fromkeys(scenario_of(result) for result in results)
    here = {each: [result for result in results if scenario_of(result) == each] for each in scenarios}
    fastest = frozenset[str]().union(*(fastest_cases(look, cases, look.noise(each)) for each, cases in here.items()))
    sound = [result for result in results if result.status == "ok"]
    best = {name: look.extreme(name, sound) for name in ("size_bytes", "top1", "agreement_fp32")}
    return {**best, "latency_p50_ns": fastest}


def _value(look: Lookup, result: Result, column: Column, marked: dict[str, frozenset[str]]) -> Value:
    metric = look.metric(result, column.metric)
    if metric is None:
        return Value(text=ABSENT, number=None, tone="")
    if column.metric == "speedup_p50":
        tone = speedup_tone(metric, look.noise(scenario_of(result))) or ""
        return Value(text=column.text(metric), number=metric.value, tone=tone)
    is_best = result.case in marked.get(column.metric, ())
    return Value(
        text=column.text(metric) + ("*" if is_best else ""), number=metric.value, tone="good" if is_best else ""
    )
