"""Every metric of every run, for other tools: a row each, as CSV or as lines of JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Select, Table, select

from reports.history.tables import cases, environments, metric_names, metrics, results, runs, times
from reports.printable import printable

Format = Literal["csv", "jsonl"]

COLUMNS: Final = (
    *("run", "started_at", "run_status", "git_revision", "git_dirty", "environment", "cpu_model"),
    *("case", "artifact", "runtime", "runtime_version", "batch_size", "threads", "io", "status"),
    *("metric", "value", "lower", "upper", "unit", "direction"),
    *("rounds", "level_ln_ns", "level_error", "anchored_level_ln", "anchored_level_error"),
)

_LEVELS: Final = ("rounds", "level", "error", "anchored", "anchored_error")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def exported_rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """One row for each metric, run after run as they were added; None stands for what is not known."""
    for run in connection.execute(select(runs.c.id).order_by(runs.c.id)).scalars().all():
        found = [row for table in (times, metrics) for row in connection.execute(_rows_of(run, table)).mappings()]
        for row in sorted(found, key=lambda row: (row["result_number"], row["metric"])):
            yield {name: row.get(name) for name in COLUMNS} | {"started_at": row["started_at"].isoformat()}


def as_lines(rows: Iterator[Mapping[str, Any]], style: Format) -> Iterator[bytes]:
    """The file's content, line by line; lines of JSON leave out what is not known, cells of CSV are empty."""
    if style == "jsonl":
        for row in rows:
            yield msgspec.json.encode({name: value for name, value in row.items() if value is not None}) + b"\n"
        return
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line([_cell(row[name]) for name in COLUMNS])


def _csv_line(cells: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()


def _cell(value: object) -> object:
    """Text that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows_of(run: int, table: Table) -> Select[Any]:
    levels = [table.c[name].label(label) for name, label in zip(_LEVELS, COLUMNS[-5:], strict=True) if name in table.c]
    return (
        select(
            results.c.id.label("result_number"),
            runs.c.name.label("run"),
            runs.c.started_at,
            runs.c.status.label("run_status"),
            *runs.c["git_revision", "git_dirty"],
            environments.c.key.label("environment"),
            environments.c.cpu_model,
            cases.c.name.label("case"),
            *cases.c["artifact", "runtime", "batch_size", "threads", "io"],
            *results.c["runtime_version", "status"],
            metric_names.c.name.label("metric"),
            *table.c["value", "lower", "upper"],
            *metric_names.c["unit", "direction"],
            *levels,
        )
        .select_from(results)
        .join(table, table.c.result_id == results.c.id)
        .join(metric_names, metric_names.c.id == table.c.metric_id)
        .join(cases, cases.c.id == results.c.case_id)
        .join(runs, runs.c.id == results.c.run_id)
        .join(environments, environments.c.id == runs.c.environment_id)
        .where(results.c.run_id == run)
    )
