"""Which version the tables of a history have, and how an older one is brought up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, func, inspect, select

from crossrt.history.store.address import POSTGRESQL, SQLITE, Address
from crossrt.history.store.tables import metadata
from crossrt.reports.errors import ReportError

KNOWN: Final = ("0001", "0002")
"""Every version there has been, oldest first: one for each file in `migrations/versions`."""

NAME: Final = "crossrt_history_version"
FOLDER: Final = Path(__file__).parent / "migrations"

_LOCK: Final = 0x63726F7373727468  # one process at a time updates a history on a server
_versions: Final = Table(NAME, MetaData(), Column("version_num", String(32), primary_key=True))


def check_version(connection: Connection, address: Address, *, may_begin: bool) -> bool:
    """True if the tables are those of this crossrt; False if they have to be brought up to date.

    Raises:
        ReportError: A newer crossrt made them, or there is no history and none may be begun.
    """
    found = _version(connection)
    if found is None:
        _check_empty(connection, address)
        if not may_begin:
            raise ReportError(f"there is no history at {address} yet: crossrt history add REPORT begins one")
    elif found not in KNOWN:
        raise ReportError(
            f"the history {address} has version {found}; this crossrt knows versions up to {KNOWN[-1]}: update crossrt"
        )
    return found == KNOWN[-1]


def bring_up_to_date(connection: Connection, address: Address, *, may_begin: bool) -> None:
    """Makes the tables, or applies what an older history lacks, within the caller's transaction."""
    if address.backend == POSTGRESQL:
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not check_version(connection, address, may_begin=may_begin):  # another process may have done it meanwhile
        migrate(connection)


def migrate(connection: Connection, target: str = "head") -> None:
    """Runs the migrations that are missing; nothing is committed."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": NAME})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, target)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(NAME):
        return None
    return connection.execute(select(_versions.c.version_num)).scalar()


def _check_empty(connection: Connection, address: Address) -> None:
    """Tables of others are left alone."""
    others = set(inspect(connection).get_table_names())
    in_the_way = others if address.backend == SQLITE else others & metadata.tables.keys()
    if in_the_way:
        named = ", ".join(sorted(in_the_way)[:3])
        raise ReportError(f"{address} is not a history of crossrt: it holds the tables {named}; name another database")
