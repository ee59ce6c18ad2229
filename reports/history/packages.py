"""What a history needs beyond crossrt's own dependencies, and how to install it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reports.errors import ReportError

EXTRAS: Final = {
    **dict.fromkeys(("sqlalchemy", "alembic", "ruptures"), "history"),
    "psycopg": "postgresql",
    **dict.fromkeys(("jinja2", "markupsafe", "matplotlib"), "page"),
}


@contextmanager
def named_packages() -> Iterator[None]:
    """Turns a missing package into the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise ReportError(f"{package} is not installed: pip install 'crossrt[{EXTRAS[package]}]'") from error
