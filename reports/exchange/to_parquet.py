"""Reports as Parquet for data frames and query engines: the table of `to_csv` with types.

Times are timestamps in UTC, numbers are numbers, and what is not known is null. Text stands as it is in the report.
Left out: cases without a metric, raw samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from crossrt.reports.exchange.rows import COLUMNS, rows_of
from crossrt.reports.packages import named_packages
from crossrt.reports.schema.records import Report

OPTIONAL: Final = frozenset(
    {"model", "variant", "format", "runtime_version", "lower", "upper", "git_revision", "git_dirty"}
)


def as_parquet(reports: Sequence[Report]) -> bytes:
    """The file's bytes.

    Raises:
        ReportError: pyarrow is missing, or a report has no metric.
    """
    pyarrow, parquet = _pyarrow()
    rows = list(rows_of(reports))
    columns = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    table = pyarrow.Table.from_pydict(columns, schema=_schema(pyarrow))
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _pyarrow() -> tuple[Any, Any]:
    with named_packages():
        import pyarrow
        from pyarrow import parquet
    return pyarrow, parquet


def _schema(pyarrow: Any) -> Any:
    special = {
        "started_at": pyarrow.timestamp("ms", tz="UTC"),
        "git_dirty": pyarrow.bool_(),
        **dict.fromkeys(("batch_size", "threads"), pyarrow.int64()),
        **dict.fromkeys(("value", "lower", "upper"), pyarrow.float64()),
    }
    return pyarrow.schema(
        [pyarrow.field(name, special.get(name, pyarrow.string()), nullable=name in OPTIONAL) for name in COLUMNS]
    )
