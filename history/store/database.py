"""An open history: transactions that read or write, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

from crossrt.core.owned import irregular
from crossrt.history.store.address import SQLITE, Address
from crossrt.history.store.failures import BUSY_S, DAMAGED, explained
from crossrt.history.store.soundness import first_damage
from crossrt.history.store.versions import bring_up_to_date, check_version
from crossrt.reports.errors import ReportError

CONNECT_S: Final = 10
_WRITES: Final = "crossrt_writes"
_SNAPSHOT: Final = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class History:
    """What runs found, one after the other.

    Attributes:
        address: Where it is.
    """

    def __init__(self, address: Address, engine: Engine) -> None:
        self.address = address
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of everything; raises `ReportError` where the database fails."""
        with explained(self.address), self._engine.connect() as connection:
            if self.address.backend != SQLITE:
                connection.execution_options(**_SNAPSHOT)
            with connection.begin():
                try:
                    yield connection
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                    self.check_values(connection, everywhere=True)
                    raise

    def check_values(self, connection: Connection, *, everywhere: bool) -> None:
        """Raises `ReportError` where a file holds values of another type, as no other file can."""
        if self.address.backend == SQLITE and (where := first_damage(connection, everywhere=everywhere)) is not None:
            raise ReportError(f"the history {self.address} {DAMAGED} ({where} holds a value of another type)")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it happens, or nothing; raises `ReportError` where the database fails."""
        with explained(self.address), self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection


@contextmanager
def open_history(address: Address, *, writes: bool = False) -> Iterator[History]:
    """Opens a history, and brings its tables up to date.

    Args:
        address: Where it is.
        writes: Whether one is begun where there is none.

    Raises:
        ReportError: There is none, it cannot be reached, or a newer crossrt made it.
    """
    if address.path is not None:
        _check_file(address.path, writes=writes)
    with explained(address):
        engine = _engine(address)
    try:
        history = History(address, engine)
        _update(history, writes=writes)
        with history.reading() as connection:
            history.check_values(connection, everywhere=False)
        yield history
    finally:
        engine.dispose()


def _check_file(path: Path, *, writes: bool) -> None:
    if path.is_dir():
        raise ReportError(f"the history {path} is a folder: name a file in it, such as {path / 'history.sqlite'}")
    if (kind := irregular(path)) is not None:
        raise ReportError(f"the history {path} is {kind}, or one that is not there yet")
    if path.exists():
        return
    if not writes:
        raise ReportError(f"there is no history {path} yet: crossrt history add REPORT begins one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"the history {path} cannot be made: {error.strerror}: {path.parent}") from error


def _update(history: History, *, writes: bool) -> None:
    with history.reading() as connection:
        is_current = check_version(connection, history.address, may_begin=writes)
    if not is_current:
        with history.writing() as connection:
            bring_up_to_date(connection, history.address, may_begin=writes)


def _engine(address: Address) -> Engine:
    if address.backend == SQLITE:
        engine = create_engine(address.url, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _take_over_transactions)
        event.listen(engine, "begin", _begin)
        return engine
    asked = address.url.query.get("options", "")
    options = f"{asked if isinstance(asked, str) else ' '.join(asked)} -c lock_timeout={BUSY_S}s"
    arguments = {"connect_timeout": CONNECT_S, "application_name": "crossrt", "options": options.strip()}
    return create_engine(address.url, connect_args=arguments)


def _take_over_transactions(connection: Any, _: object) -> None:
    """Python's sqlite3 begins none before it reads or alters tables: `_begin` does.

    See https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#sqlite-transactions
    """
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON").close()


def _begin(connection: Connection) -> None:
    """A writer takes its lock at once: one that only asks for it later can lose to another and would have to retry."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
