"""`crossrt pareto` and `crossrt advise`: which variant to ship."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.cli.shared.json_output import json_option, recording_console
from crossrt.cli.shared.max_drop import max_drop_option
from crossrt.cli.shared.option_types import FiniteRange
from crossrt.cli.shared.options import only_option


@click.command(short_help="Which cases of a report no other beats?")
@click.argument("report", type=click.Path(path_type=Path))
@json_option
def pareto(report: Path) -> None:
    """Show the cases of REPORT that no other beats in latency, size and accuracy at once, and who beats the others."""
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.errors import ReportError
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.terminal import print_note, print_sheet, print_warnings
    from crossrt.reports.verdicts.choice.front_chart import front_plot
    from crossrt.reports.verdicts.choice.pareto import NOTE, front_sheet, fronts

    loaded, console = read_report(report_in(report)), result_console()
    found = fronts(loaded)
    if not found:
        raise ReportError(f"{report} has no measured case")
    print_warnings(loaded, console)
    for front in found:
        print_sheet(front_sheet(loaded, front), console)
        console.print()
        if recording_console() is None:  # a plot of signs says nothing to programs
            click.echo(front_plot(loaded, front, min(console.width, 100)))
        console.print()
    print_note(NOTE, console)


@click.command(short_help="Which case of a report to ship, within a budget.")
@click.argument("report", type=click.Path(path_type=Path))
@max_drop_option
@click.option("--max-size", type=FiniteRange(0.001), metavar="KB", help="Largest file.")
@click.option("--batch", type=click.IntRange(min=1), help="Samples per call.  [default: the smallest in the report]")
@only_option
@json_option
def advise(report: Path, max_drop: float, max_size: float | None, batch: int | None, only: tuple[str, ...]) -> int:
    """Name one case of REPORT: the fastest that keeps its accuracy, and among equally fast ones the smallest.

    The exit code is 1 if nothing fits the budget.
    """
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.terminal import print_warnings
    from crossrt.reports.verdicts.choice.advice import Budget
    from crossrt.reports.verdicts.choice.advice import advise as choose
    from crossrt.reports.verdicts.choice.advice_text import advice_lines

    loaded = read_report(report_in(report))
    size_bytes = None if max_size is None else round(1000 * max_size)
    budget = Budget(drop=max_drop / 100, size_bytes=size_bytes, only=only, batch_size=batch)
    advice = choose(loaded, budget)
    console = result_console()
    print_warnings(loaded, console)
    for line in advice_lines(loaded, advice, budget):
        console.print(line, markup=False)
    return int(advice.chosen is None)
