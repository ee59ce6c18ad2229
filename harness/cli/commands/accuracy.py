"""`crossrt accuracy`: answers held against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.harness.cli.commands.options import only_option

if TYPE_CHECKING:
    from crossrt.reports.tables.agreement_matrix import Measure


@click.command(short_help="Hold the answers of a report's cases against each other, digit by digit.")
@click.argument("report", type=click.Path(path_type=Path))
@only_option
@click.option(
    "--measure",
    type=click.Choice(["top1", "steps", "kl"]),
    default="top1",
    show_default=True,
    help="How cases are compared with each other: same answers, largest difference of a logit in steps of the"
    " quantized output, or divergence of the probabilities in nats.",
)
@click.option("--confusion", is_flag=True, help="Also print each confusion matrix minus the baseline's.")
def accuracy(report: Path, only: tuple[str, ...], measure: Measure, confusion: bool) -> None:
    """Show which digits each case of REPORT fixed and broke against the baseline, and how far cases agree."""
    from crossrt.datasets.mnist import digits as mnist
    from crossrt.harness.cli.commands.options import result_console
    from crossrt.harness.cli.commands.report_files import report_in
    from crossrt.reports.errors import ReportError
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.agreement import LEGEND, answers_in, baseline_of, change_sheet, confusion_sheet
    from crossrt.reports.tables.agreement_matrix import LEGENDS, agreement_sheet
    from crossrt.reports.tables.terminal import sheet_table

    loaded = read_report(report_in(report))
    if loaded.environment.data_sha256 != mnist.shipped_sha256("test"):
        raise ReportError(f"{report} was made with other digits than those that come with this crossrt")
    labels = mnist.shipped("test").labels
    chosen, baseline = answers_in(loaded, only), baseline_of(loaded)
    console = result_console()
    matrix = agreement_sheet(loaded, chosen, measure, console.width)  # first: the report may not hold it
    console.print(sheet_table(change_sheet(loaded, chosen, baseline, labels)))
    console.print()
    console.print(sheet_table(matrix))
    for each in chosen if confusion else ():
        if each.result.case != baseline.result.case:
            console.print()
            console.print(sheet_table(confusion_sheet(baseline, each, each.result.case)))
    console.print()
    console.print(f"{LEGEND} {LEGENDS[measure]}", style="dim", markup=False)
