"""Where a history is: a SQLite file, or a PostgreSQL server by its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from crossrt.reports.errors import ReportError

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
_ALIASES: Final = {"postgres": POSTGRESQL}
_WANTED: Final = "name a SQLite file by its path, or a server as postgresql://USER@HOST/DATABASE"
_CONNECTION: Final = re.compile(r"^(postgres\w*|sqlite)(\+\w+)?:|\b(host|user|password|dbname)\s*=", re.IGNORECASE)
_SECRET: Final = ("password", "passfile", "sslpassword")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a history is. Written as text it shows no password.

    Attributes:
        url: As SQLAlchemy wants it.
    """

    url: URL

    @property
    def backend(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.url.get_backend_name()

    @property
    def path(self) -> Path | None:
        """The file, where it is one."""
        return Path(str(self.url.database)) if self.backend == SQLITE else None

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        hidden = {name: "hidden" for name in self.url.query if name in _SECRET}
        shown = self.url.set(drivername=POSTGRESQL).update_query_dict(hidden)
        return shown.render_as_string(hide_password=True)

    def without_secrets(self, text: str) -> str:
        """The text of a driver without what the URL keeps secret."""
        for secret in (self.url.password, *(self.url.query.get(name) for name in _SECRET)):
            if isinstance(secret, str) and secret:
                text = text.replace(secret, "***")
        return text


def parse_address(text: str) -> Address:
    """Reads a path or a URL.

    Raises:
        ReportError: It is neither the path of a file nor the URL of a database that can hold a history.
    """
    if "://" not in text:
        if _CONNECTION.search(text):  # not quoted: a password may be part of it
            raise ReportError(f"the history looks like a server's address and is none: {_WANTED}")
        return _of_file(text)
    scheme = text.partition("://")[0].lower()
    if text.partition("://")[2].partition("/")[0].count("@") > 1:
        raise ReportError(f"the history's {scheme} URL has two @ before its host: write %40 for one in a password")
    text = f"{scheme}://{text.partition('://')[2]}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # neither is quoted: a password may be part of the text
        raise ReportError(f"the history's {scheme} URL cannot be read: {_WANTED}") from error
    backend = scheme.partition("+")[0]
    backend = _ALIASES.get(backend, backend)
    if backend == SQLITE:
        return _of_file(url.database or "", has_options=bool(url.query))
    if backend != POSTGRESQL:
        raise ReportError(f"a history cannot be kept at {scheme}://: {_WANTED}")
    return Address(url=url.set(drivername="postgresql+psycopg"))


def _of_file(name: str, *, has_options: bool = False) -> Address:
    if has_options or name in ("", ":memory:") or name.startswith("file:") or "\0" in name:
        raise ReportError(f"the history {name!r} is not the path of a file: {_WANTED}")
    return Address(url=URL.create(SQLITE, database=name))
