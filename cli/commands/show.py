"""`crossrt show`: a saved report again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.json_output import format_option

if TYPE_CHECKING:
    from crossrt.analysis.bisection.record import BisectionReport
    from crossrt.reports.schema.records import Duel, Report

FORMATS = ("table", "markdown", "json", "pytest-benchmark")


@click.command(short_help="Print a saved report.")
@click.argument("report", type=click.Path(path_type=Path))
@format_option(FORMATS)
@click.option(
    "--case",
    metavar="PATTERN",
    help="Details of the cases whose id contains PATTERN: per-class scores, confusion matrix, failure output.",
)
def show(report: Path, style: str, case: str | None) -> None:
    """Print REPORT, a report.json, duel.json or bisection.json, its folder, or `latest`: the newest run in results.

    A report may be packed by xz, as report.json.xz. The format pytest-benchmark writes what `pytest-benchmark
    compare` reads.
    """
    from crossrt.cli.shared.kept_results import bisection_at
    from crossrt.harness.run.saved_runs import NAMES, report_in
    from crossrt.reports.schema.files import is_duel, read_report

    if (bisection := bisection_at(report)) is not None:
        _show_bisection(bisection, style, case)
        return
    path = report_in(report, NAMES)
    if case is not None and style != "table":
        raise click.UsageError("--case prints tables only: leave out --format")
    if is_duel(path):
        _show_duel(path, style, case)
        return
    loaded = read_report(path)
    if case is not None:
        from crossrt.cli.shared.options import result_console
        from crossrt.reports.tables.details import print_details

        print_details(loaded, case, result_console())
    elif style == "json":
        _print_json(loaded)
    elif style == "pytest-benchmark":
        from crossrt.reports.exchange.to_pytest_benchmark import as_pytest_benchmark

        click.echo(as_pytest_benchmark(loaded), nl=False)
    elif style == "markdown":
        from crossrt.reports.text.markdown import report_as_markdown

        click.echo(report_as_markdown(loaded), nl=False)
    else:
        from crossrt.cli.shared.options import result_console
        from crossrt.reports.tables.terminal import print_report
        from crossrt.reports.verdicts.choice.closing import print_closing

        console = result_console()
        print_report(loaded, console, most_notes=None)
        print_closing(loaded, console)


def _show_duel(path: Path, style: str, case: str | None) -> None:
    from crossrt.cli.shared.options import result_console
    from crossrt.reports.schema.files import read_duel
    from crossrt.reports.tables.duel_text import duel_as_markdown, print_duel

    if case is not None or style == "pytest-benchmark":
        raise click.UsageError(f"{path} is a duel: it is shown as table, markdown or json")
    duel = read_duel(path)
    if style == "json":
        _print_json(duel)
    elif style == "markdown":
        click.echo(duel_as_markdown(duel), nl=False)
    else:
        print_duel(duel, result_console())


def _show_bisection(path: Path, style: str, case: str | None) -> None:
    from crossrt.analysis.bisection.tables import print_bisection
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.bisect.ledger import read_bisection

    if case is not None or style not in ("table", "json"):
        raise click.UsageError(f"{path} is a bisection: it is shown as table or json")
    found = read_bisection(path)
    if style == "json":
        _print_json(found)
    else:
        print_bisection(found, result_console())


def _print_json(loaded: Report | Duel | BisectionReport) -> None:
    from crossrt.cli.shared.json_output import echo_json

    echo_json(loaded)
