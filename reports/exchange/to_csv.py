"""Reports as CSV for spreadsheets and data frames: one line per metric, the columns of `rows.Row`.

UTF-8, a header, numbers in full precision, times as ISO 8601 in UTC; what is not known is an empty cell. Text that a
spreadsheet would take for a formula has an apostrophe before it. Left out: cases without a metric, raw samples.

Source of the signs that begin a formula: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from crossrt.reports.exchange.contents import one_line
from crossrt.reports.exchange.rows import COLUMNS, rows_of
from crossrt.reports.schema.records import Report

FORMULA_SIGNS: Final = "=+-@＝＋－＠"  # noqa: RUF001 - spreadsheets take the wide forms for the narrow ones


def as_csv(reports: Sequence[Report]) -> str:
    """The file's text."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows_of(reports):
        writer.writerow(cell(getattr(row, name)) for name in COLUMNS)
    return text.getvalue()


def cell(value: object) -> object:
    """A value as a cell of CSV."""
    if isinstance(value, str):
        return defused(one_line(value))
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value


def defused(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(tuple(FORMULA_SIGNS)) else text
