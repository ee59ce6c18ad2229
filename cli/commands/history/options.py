"""Options that the commands of a history share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from crossrt.history.store.address import Address

VARIABLE = "CROSSRT_HISTORY"
DEFAULT = "results/history.sqlite"

history_option = click.option(
    "--history",
    "place",
    envvar=VARIABLE,
    default=DEFAULT,
    show_default=True,
    metavar="FILE_OR_URL",
    help=f"The history: a SQLite file, or postgresql://USER@HOST/DATABASE. {VARIABLE} sets it too.",
)

environment_option = click.option(
    "--environment", metavar="KEY", help="Only runs of this environment, by the beginning of its key in the list."
)


def address_of(place: str) -> Address:
    """Where the history is."""
    from crossrt.history.store.address import parse_address

    return parse_address(place)
