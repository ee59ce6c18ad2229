"""Whether a SQLite file holds what its tables say: SQLite itself takes any value in any column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, String, func, select

from crossrt.history.store.tables import metadata

_STORED_AS: Final[Mapping[type, tuple[str, ...]]] = {
    Boolean: ("integer",),
    Integer: ("integer",),
    Float: ("integer", "real"),
    String: ("text",),
    LargeBinary: ("blob",),
}


_LARGE: Final = ("metrics", "results", "times")
"""Tables of which a run has many rows: they are looked at only where reading failed."""


def first_damage(connection: Connection, *, everywhere: bool) -> str | None:
    """The first column that holds a value of another type, as `table.column`, or None."""
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
    query = select(func.count()).select_from(column.table).where(func.typeof(column).not_in(allowed))
    return bool(connection.execute(query).scalar())
