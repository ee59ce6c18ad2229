"""Whether a SQLite file holds what its tables say: SQLite itself takes any value in any column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
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
            are_wrong = connection.execute(_question(table)).mappings().one()
            if (wrong := next((name for name, is_wrong in are_wrong.items() if is_wrong), None)) is not None:
                return f"{table.name}.{wrong}"
    return None


@cache
def _question(table: Table) -> Select[*tuple[Any, ...]]:
    """Whether any value is wrong, for each column in one look at the table."""
    wrong = ((column, _is_wrong(column, stored)) for column in table.columns if (stored := _stored_as(column)))
    return select(*(func.max(is_wrong).label(column.name) for column, is_wrong in wrong)).select_from(table)


def _stored_as(column: Column[Any]) -> tuple[str, ...]:
    return next((stored for kind, stored in _STORED_AS.items() if isinstance(column.type, kind)), ())


def _is_wrong(column: Column[Any], stored: tuple[str, ...]) -> ColumnElement[bool]:
    allowed = (*stored, "null") if column.nullable else stored
    is_wrong: ColumnElement[bool] = func.typeof(column).not_in(allowed)
    return or_(is_wrong, _is_no_time(column)) if isinstance(column.type, Moment) else is_wrong


def _is_no_time(column: Column[Any]) -> ColumnElement[bool]:
    """For text that is not what SQLAlchemy stores, `2026-01-31 12:00:00.000000`, or no day of the calendar."""
    text = type_coerce(column, String)
    seconds = func.substr(text, 1, 19)
    return or_(
        func.datetime(seconds, "+0 seconds").is_distinct_from(seconds),
        text.op("NOT GLOB")("*:[0-9][0-9]." + 6 * "[0-9]"),
    )
