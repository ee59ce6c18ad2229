"""How much a command says on standard error: `-v`, `-q` and `--log-level`, which every command takes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from crossrt.reports.text.guard import behind
from crossrt.reports.text.quiet import is_quiet, quiet_messages

LOGGER: Final = "crossrt"
LEVELS: Final = ("debug", "info", "warning", "error")


def _quiet(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        context.with_resource(quiet_messages())


def _verbose(context: click.Context, _: click.Parameter, count: int) -> None:
    if count:
        context.with_resource(_logged("debug" if count > 1 else "info"))


def _level(context: click.Context, _: click.Parameter, level: str | None) -> None:
    if level is not None:
        context.with_resource(_logged(level))


@contextmanager
def _logged(level: str) -> Iterator[None]:
    """Writes what crossrt logs, from this level on, to standard error."""
    logger, handler = logging.getLogger(LOGGER), logging.StreamHandler(behind(sys.stderr))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def note(text: str) -> None:
    """One line on standard error that nobody needs to act on; left out by `-q`."""
    if not is_quiet():
        click.echo(text, err=True)


def add_to(command: click.Command) -> None:
    """Adds the options to a command, and to all commands of a group."""
    command.params += [
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            is_eager=True,
            callback=_verbose,
            help="Log files that are read, cached or built; -vv: processes, too.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_quiet,
            help="No progress and no remarks on standard error; results and errors only.",
        ),
        click.Option(
            ["--log-level"],
            type=click.Choice(LEVELS),
            expose_value=False,
            is_eager=True,
            callback=_level,
            help="What is logged: info is -v, debug is -vv.",
        ),
    ]
    for each in getattr(command, "commands", {}).values():
        add_to(each)
