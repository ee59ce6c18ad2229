"""`crossrt history`: results over time."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.commands.history.export import copy, export
from crossrt.cli.commands.history.gate import gate
from crossrt.cli.commands.history.options import address_of, environment_option, history_option
from crossrt.cli.commands.history.trend import trend
from crossrt.cli.shared.json_output import format_option, json_option
from crossrt.cli.shared.report_files import ReportsPath

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from crossrt.history.store.address import Address
    from crossrt.history.store.collecting import Added

FORMATS = ("table", "json")


@click.group(short_help="Results over time: add runs, see trends, judge a report by the runs before it.")
def history() -> None:
    """Keep what runs found in a SQLite file, or on a PostgreSQL server that many machines write to.

    \b
    crossrt history add results                       every report in a folder
    crossrt history trend latency_p50_ns --case int8  where did it change?
    crossrt history gate results/<run>                worse than before?
    """  # noqa: D301 - \b is click's mark for lines that stay as they are


for _command in (copy, export, gate, trend):
    history.add_command(_command)


@history.command(short_help="Add reports.")
@click.argument("reports", nargs=-1, required=True, metavar="REPORT...", type=ReportsPath())
@history_option
@json_option
def add(reports: tuple[Path, ...], place: str) -> int:
    """Add REPORT..., report files, folders of them, `latest` or `previous`, each as a whole or not at all.

    A report that is in the history already changes nothing. Raw samples stay in the report files, which the history
    finds again by path and hash. The exit code is 2 if a report was refused.
    """
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.reports.schema.folders import report_files

        address = address_of(place)
        found = _add(address, report_files(reports))
    outcomes = [added.outcome for added in found]
    counts = {outcome: outcomes.count(outcome) for outcome in ("added", "known", "refused")}
    known = f", {counts['known']} already there" if counts["known"] else ""
    refused = f", {counts['refused']} refused" if counts["refused"] else ""
    _print(f"{counts['added']} added{known}{refused}; history: {address}")
    return 2 if counts["refused"] else 0


def _add(address: Address, files: Sequence[Path]) -> list[Added]:
    """Adds files behind a bar, then says what is unusual about each, also where the database fails midway."""
    from crossrt.cli.shared.options import message_console
    from crossrt.history.store.collecting import add_files
    from crossrt.reports.text.progress import Display, Silent, Terminal

    console = message_console()
    bar: AbstractContextManager[Display] = Terminal(console) if console.is_terminal else nullcontext(Silent())
    found = []
    try:
        with bar as display:
            display.phase("adding", len(files))
            for added in add_files(address, files):
                found.append(added)
                display.step()
    finally:
        for added in found:
            _say(added)
    return found


def _say(added: Added) -> None:
    from crossrt.reports.text.printable import printable

    if added.outcome == "refused":
        click.echo(f"crossrt: not added: {printable(str(added.reason))}", err=True)
    elif added.outcome == "added" and added.status == "interrupted":
        _print(f"run {added.run} was interrupted: it is kept and marked, trends and gates leave it out")


@history.command("list", short_help="Show the newest runs.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--case", metavar="PATTERN", help="Only runs with a case that PATTERN selects.")
@environment_option
@format_option(FORMATS)
@history_option
def list_runs(limit: int, case: str | None, environment: str | None, style: str, place: str) -> None:
    """Show the newest runs, and the environment of each: times are comparable where its key is the same."""
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.history.showing.listing import list_sheet, listed_runs
        from crossrt.history.store.database import open_history

        with open_history(address_of(place)) as opened, opened.reading() as connection:
            found, total = listed_runs(connection, limit=limit, case=case, environment=environment)
    if style == "json":
        _print_json(found)
        return
    from crossrt.cli.shared.options import result_console
    from crossrt.reports.tables.terminal import print_sheet

    print_sheet(list_sheet(found, total), result_console())


@history.command(short_help="Show one run.")
@click.argument("run")
@format_option(FORMATS)
@history_option
def show(run: str, style: str, place: str) -> None:
    """Show what the history holds of RUN, named by its id or the beginning of it."""
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.history.judging.selection import run_named
        from crossrt.history.store.database import open_history
        from crossrt.history.store.reading import read_entry

        with open_history(address_of(place)) as opened, opened.reading() as connection:
            entry = read_entry(connection, run_named(connection, run).number)
    from crossrt.history.showing.entry import print_entry, shown_run

    if style == "json":
        _print_json(shown_run(entry))
        return
    from crossrt.cli.shared.options import result_console

    print_entry(entry, result_console())


@history.command(short_help="Take one run out.")
@click.argument("run")
@history_option
@json_option
def remove(run: str, place: str) -> None:
    """Take RUN, named by its id or the beginning of it, out of the history: trends and gates no longer see it.

    The report file stays; crossrt history add puts the run back.
    """
    from crossrt.reports.packages import named_packages

    with named_packages():
        from crossrt.history.judging.selection import run_named
        from crossrt.history.store.database import open_history
        from crossrt.history.store.removing import remove_run

        with open_history(address_of(place)) as opened, opened.writing() as connection:
            found = run_named(connection, run)
            remove_run(connection, found.number)
    _print(f"run {found.name} removed; its report stays where it was: {found.path}")


def _print(line: str) -> None:
    """One line of the result, which no console breaks."""
    from crossrt.cli.shared.options import result_console
    from crossrt.reports.text.printable import printable

    result_console().print(printable(line), soft_wrap=True)


def _print_json(found: object) -> None:
    from crossrt.cli.shared.json_output import echo_json

    echo_json(found)
