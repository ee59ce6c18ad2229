"""Packages that are not among crossrt's own dependencies, and the command that installs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from crossrt.core.install import install_command
from crossrt.reports.errors import ReportError

EXTRAS: Final = (
    ("alembic", "ruptures", "sqlalchemy"),
    ("jinja2", "markupsafe", "matplotlib"),
    ("psycopg",),
    ("pyarrow",),
)
"""Packages that are needed together: the extras `history`, `page`, `postgresql` and `parquet`."""

_INSTALLED_AS: Final = {"psycopg": "psycopg[binary]"}


@contextmanager
def named_packages() -> Iterator[None]:
    """Turns a missing package into the command that installs it into the running environment.

    Raises:
        ReportError: A package of an extra is missing; any other missing module is a defect and passes.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        for needed in EXTRAS:
            if package in needed:
                wanted = (_INSTALLED_AS.get(each, each) for each in needed)
                raise ReportError(f"{package} is not installed: {install_command(*wanted)}") from error
        raise
