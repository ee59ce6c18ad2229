"""A report for programs and notebooks: a record for each case, a data frame, tables of HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from crossrt.core.install import install_command
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Metric, Report, Status
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case.

    Attributes:
        case: Its id.
        model: Name of the model.
        variant: Name of the variant.
        runtime: Name of the runtime.
        batch_size: Samples per call.
        threads: Threads per operator.
        status: Whether it was measured.
        reason: Why not, where it was not.
        metrics: Values by name, in the units of their definitions: latencies in ns, sizes in bytes.
        intervals: Bounds of 95% intervals by name, for metrics that have one.
    """

    case: str
    model: str
    variant: str
    runtime: str
    batch_size: int
    threads: int
    status: Status
    reason: str | None
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def rows_of(report: Report) -> list[Row]:
    """Each case of a report."""
    found: dict[str, list[Metric]] = {}
    for metric in report.metrics:
        found.setdefault(metric.case, []).append(metric)
    return [
        Row(
            case=result.case,
            model=result.model,
            variant=result.variant,
            runtime=result.runtime,
            batch_size=result.batch_size,
            threads=result.threads,
            status=result.status,
            reason=result.reason,
            metrics={each.name: each.value for each in found.get(result.case, ())},
            intervals=dict(_intervals(found.get(result.case, []))),
        )
        for result in report.results
    ]


def _intervals(metrics: list[Metric]) -> Iterator[tuple[str, tuple[float, float]]]:
    for each in metrics:
        if isinstance(each.lower, float) and isinstance(each.upper, float):
            yield each.name, (each.lower, each.upper)


def dataframe_of(report: Report) -> Any:
    """A `pandas.DataFrame` with a row for each case.

    Raises:
        ReportError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ReportError(f"a data frame needs pandas ({error}): {install_command('pandas')}") from error
    names = ("case", "model", "variant", "runtime", "batch_size", "threads", "status")
    return pandas.DataFrame([{name: getattr(row, name) for name in names} | row.metrics for row in rows_of(report)])


def html_of(report: Report) -> str:
    """Cautions, tables and the verdict, without style: the notebook has its own."""
    summary = Summary(report)
    lines = [*summary.warnings(), *summary.headline()]
    parts = [f"<p>{'<br>'.join(_safe(line) for line in lines)}</p>"]
    parts += [_table(sheet) for sheet in summary.sheets()]
    parts.append(f"<p>{'<br>'.join(_safe(line) for line in summary.verdict())}</p>")
    return "\n".join(parts)


def _table(sheet: Sheet) -> str:
    head = "".join(f"<th>{_safe(name)}</th>" for name in sheet.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in sheet.rows)
    footer = "<br>".join(_safe(line) for line in sheet.footer)
    return f"<table><caption>{_safe(sheet.title)}</caption><tr>{head}</tr>{rows}</table><p>{footer}</p>"


def _cell(cell: Cell) -> str:
    return f"<td>{_safe(cell.text)}{'*' if cell.best else ''}</td>"


def _safe(text: str) -> str:
    return escape(printable(text))
