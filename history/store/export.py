"""Every metric of every run for other tools: a row each, with the columns of a report as CSV and a few more."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, select

from crossrt.history.store.entries import Entry
from crossrt.history.store.reading import read_entry
from crossrt.history.store.tables import runs
from crossrt.reports.exchange.rows import COLUMNS as METRIC_COLUMNS
from crossrt.reports.exchange.rows import Row, rows_of
from crossrt.reports.exchange.to_csv import cell
from crossrt.reports.text.printable import for_logs, json_for_logs

Format = Literal["csv", "jsonl"]

LEVEL_COLUMNS: Final = ("rounds", "level", "level_error", "relative_level", "relative_level_error")
COLUMNS: Final = (*METRIC_COLUMNS, "run_status", "environment", *LEVEL_COLUMNS)


def exported_rows(connection: Connection) -> Iterator[Mapping[str, Any]]:
    """One row for each metric, run after run as they were added; what is not known is left out."""
    for number in connection.execute(select(runs.c.id).order_by(runs.c.id)).scalars().all():
        entry = read_entry(connection, number)
        if entry.report.metrics:
            yield from (_row(entry, row) for row in rows_of([entry.report]))


def as_lines(rows: Iterator[Mapping[str, Any]], style: Format) -> Iterator[bytes]:
    """The file's content, line by line."""
    if style == "jsonl":
        for row in rows:
            yield json_for_logs(msgspec.json.encode(row).decode()).encode() + b"\n"
        return
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line([cell(row.get(name)) for name in COLUMNS])


def _row(entry: Entry, row: Row) -> Mapping[str, Any]:
    level = entry.levels.get((row.case, row.metric))
    found = {name: getattr(row, name) for name in METRIC_COLUMNS}
    found |= {"run_status": entry.report.run.status, "environment": entry.environment}
    if level is not None:
        values = (level.rounds, level.plain, level.plain_error, level.relative, level.relative_error)
        found |= dict(zip(LEVEL_COLUMNS, values, strict=True))
    return {name: value for name, value in found.items() if value is not None}


def _csv_line(cells: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return for_logs(line.getvalue()).encode()
