"""`crossrt history export` and `copy`: a history for other tools, and elsewhere."""

from __future__ import annotations

from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Final

import click

from crossrt.cli.commands.history.options import address_of, history_option
from crossrt.cli.shared.json_output import json_option

FORMATS = ("csv", "jsonl")
MOST_IN_MEMORY: Final = 32 * 2**20


@click.command(short_help="Write every metric of every run for other tools.")
@click.option("--format", "style", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.  [default: standard output]"
)
@history_option
def export(style: str, out: Path | None, place: str) -> None:
    """Write a row for each metric of each case of each run, as CSV or as lines of JSON."""
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.history.store.database import open_history
        from crossrt.history.store.export import as_lines, exported_rows
        from crossrt.reports.schema.files import write_together

        with SpooledTemporaryFile(max_size=MOST_IN_MEMORY) as spool:
            # first all of it, then to whoever reads: a pager that waits must not keep others from adding runs
            with open_history(address_of(place)) as opened, opened.reading() as connection:
                spool.writelines(as_lines(exported_rows(connection), "csv" if style == "csv" else "jsonl"))
            spool.seek(0)
            if out is not None:
                write_together({out: spool})
                return
            for line in spool:
                click.echo(line, nl=False)


@click.command(short_help="Copy every run into another history.")
@click.argument("target", metavar="FILE_OR_URL")
@history_option
@json_option
def copy(target: str, place: str) -> None:
    """Add every run of the history to the one at FILE_OR_URL, such as a team's PostgreSQL server.

    What is there already stays as it is; a copy that broke off is finished by the same command.
    """
    from crossrt.cli.shared.options import result_console
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.history.store.copying import copy_runs

        goal = address_of(target)
        outcomes = list(copy_runs(address_of(place), goal))
    known = outcomes.count("known")
    there = f", {known} already there" if known else ""
    result_console().print(f"{outcomes.count('added')} copied{there}; history: {goal}", soft_wrap=True)
