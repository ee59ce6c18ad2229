"""`crossrt history trend`: a metric over runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.commands.history.options import address_of, environment_option, history_option
from crossrt.cli.shared.json_output import format_option

if TYPE_CHECKING:
    from crossrt.history.judging.trend import Trend

FORMATS = ("table", "json")


@click.command(short_help="A metric over runs, and where it changed.")
@click.argument("metric")
@click.option("--case", "pattern", default="*", metavar="PATTERN", help="Cases to look at.  [default: all]")
@click.option(
    "--last",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    metavar="RUNS",
    help="The newest runs, at most.",
)
@environment_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page with figures.")
@format_option(FORMATS)
@history_option
def trend(
    metric: str, pattern: str, last: int, environment: str | None, html: Path | None, style: str, place: str
) -> None:
    """Show METRIC, such as latency_p50_ns or top1, over runs that may be compared, and name where its level changed.

    Each change comes with the commits between which it happened and its size with a 95% interval. Runs of other
    environments are left out and counted; --environment chooses another than that of the newest run.
    """
    from crossrt.reports.packages import named_packages

    with named_packages():
        found = _read(metric, pattern, environment, last, place)
        _print(found, style)
        if html is not None:
            _write_page(found, html, quiet=style == "json")


def _read(metric: str, pattern: str, environment: str | None, last: int, place: str) -> Trend:
    from crossrt.history.judging.series import find_series
    from crossrt.history.judging.trend import trend_of
    from crossrt.history.store.database import open_history
    from crossrt.reports.errors import ReportError

    with open_history(address_of(place)) as opened, opened.reading() as connection:
        found = find_series(connection, metric, pattern, environment=environment, last=last)
    if not found.series:
        raise ReportError(f"no complete run in the environment {found.machine} has {metric} for {pattern!r}")
    return trend_of(found)


def _print(found: Trend, style: str) -> None:
    if style == "json":
        from crossrt.cli.shared.json_output import echo_json

        echo_json(found)
        return
    from rich.text import Text

    from crossrt.cli.shared.options import result_console
    from crossrt.history.showing.trend_text import (
        MOST_PLOTS,
        overview_sheet,
        step_sheet,
        trend_headline,
        trend_notes,
        trend_plot,
    )
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.printable import printable

    console = result_console()
    is_worse = any(step.is_worse for case in found.cases for step in case.steps)
    console.print(Text(trend_headline(found), style="bold red" if is_worse else "bold green"))
    for sheet in (step_sheet(found), overview_sheet(found)):
        if sheet.rows:
            console.print()
            print_sheet(sheet, console)
    plotted = [case for case in found.cases if len(case.points) > 1]
    for case in plotted if len(plotted) <= MOST_PLOTS else ():
        console.print()
        click.echo(trend_plot(found, case, min(console.width, 100)))
    console.print()
    for note in trend_notes(found):
        console.print(Text(printable(note), style="dim"))


def _write_page(found: Trend, path: Path, *, quiet: bool) -> None:
    from crossrt.history.showing.trend_page import trend_as_page
    from crossrt.reports.schema.files import write_atomically

    write_atomically(path, trend_as_page(found).encode())
    if not quiet:
        click.echo(f"page: {path}")
