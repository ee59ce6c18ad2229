"""Whether a SQLite file holds what its tables say: SQLite itself takes any value in any column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    func,
    or_,
    select,
    type_coerce,
)

from crossrt.history.store.tables import Moment, metadata

_STORED_AS: Final[Mapping[type, tuple[str, ...]]] = {
    Boolean: ("integer",),
    Integer: ("integer",),
    Float: ("integer", "real"),
    String: ("text",),
    LargeBinary: ("blob",),
    Moment: ("text",),
}


_LARGE: Final = ("metrics", "results", "times")
"""Tables of which a run has many rows: they are looked at only where reading failed."""


def first_damage(connection: Connection, *, everywhere: bool) -> str | None:
    """The first column that holds a value of another type, or a time that is none, as `table.column`, or None."""
    for table in metadata.sorted_tables:
        if everywhere or table.name not in _LARGE:
            for column in table.columns:
                if (stored := _stored_as(column)) and _is_damaged(connection, column, stored):
                    return f"{table.name}.{column.name}"
    return None


def _stored_as(column: Column[Any]) -> tuple[str, ...]:
    return next((stored for kind, stored in _STORED_AS.items() if isinstance(column.type, kind)), ())


def _is_damaged(connection: Connection, column: Column[Any], stored: tuple[str, ...]) -> bool:
    allowed = (*stored, "null") if column.nullable else stored
    is_wrong: ColumnElement[bool] = func.typeof(column).not_in(allowed)
    if isinstance(column.type, Moment):
        is_wrong = or_(is_wrong, _is_no_time(column))
    return bool(connection.execute(select(func.count()).select_from(column.table).where(is_wrong)).scalar())


def _is_no_time(column: Column[Any]) -> ColumnElement[bool]:
    """For text that is not what SQLAlchemy stores, `2026-01-31 12:00:00.000000`, or no day of the calendar."""
    text = type_coerce(column, String)
    seconds = func.substr(text, 1, 19)
    return or_(
        func.datetime(seconds, "+0 seconds").is_distinct_from(seconds),
        text.op("NOT GLOB")("*:[0-9][0-9]." + 6 * "[0-9]"),
    )
