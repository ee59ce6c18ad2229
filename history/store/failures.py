"""What a database says when it cannot go on, in words that say what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from crossrt.history.store.address import SQLITE, Address
from crossrt.reports.errors import ReportError

BUSY_S: Final = 30
"""How long a command waits for others that write."""

DAMAGED: Final = "is damaged: put a backup in its place, or add the reports to a new file"

_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: f"is locked: another process has kept it for over {BUSY_S} s; try again when that is done",
    sqlite3.SQLITE_READONLY: "cannot be written: the file or its folder is read-only; fix that or name another file",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free space, then try again",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: its folder is missing or closed to you; fix that or name another file",
    sqlite3.SQLITE_NOTADB: "is not a SQLite file: name another one; a new one is made where there is none",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk gives an error, or is full",
}

_POSTGRESQL: Final = {
    "42501": "the user needs the right to do that: GRANT it, or name another user",
    "25006": "the server is read-only: name one that takes writes",
    "53100": "free space on the server's disk",
    "55P03": f"another process has kept a table for more than {BUSY_S} s: try again when that is done",
    "57P0": "the server was shut down or ended the connection: try again when it is back",
}
_GONE: Final = "check user, password and database in the URL, and that the server runs and can be reached"


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turns what a database raises into one message, without passwords.

    Raises:
        ReportError: Something within failed in the database; its transaction was rolled back.
    """
    try:
        yield
    except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"the history {address} {DAMAGED} ({error})") from error
    except DBAPIError as error:
        raise ReportError(f"the history {address} {_reason(error, address)}") from error
    except UnicodeEncodeError as error:
        raise ReportError(f"{error.object!r}: a history keeps text in UTF-8, which this is not") from error
    except SQLAlchemyError as error:
        said = address.without_secrets(" ".join(str(error).split()))
        raise ReportError(f"the history {address} cannot be used: {said}") from error


def _reason(error: DBAPIError, address: Address) -> str:
    said = address.without_secrets(" ".join(str(error.orig).split()))
    if address.backend == SQLITE:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        return _SQLITE.get(code, f"cannot be used: {said}")
    state = getattr(error.orig, "sqlstate", None) or ""
    advice = next((text for start, text in _POSTGRESQL.items() if state.startswith(start)), None)
    if advice is None and (not state or state.startswith("08") or error.connection_invalidated):
        advice = _GONE
    return f"cannot be used: {said}" + (f" ({advice})" if advice else "")
