"""`crossrt accuracy`: answers held against each other."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.options import only_option


@click.command(short_help="Hold the answers of a report's cases against each other, digit by digit.")
@click.argument("report", type=click.Path(path_type=Path))
@only_option
@click.option("--confusion", is_flag=True, help="Also print each confusion matrix minus the baseline's.")
def accuracy(report: Path, only: tuple[str, ...], confusion: bool) -> None:
    """Show which digits each case of REPORT fixed and broke against the baseline, and how far cases agree."""
    from exporters import mnist
    from harness.commands.options import result_console
    from harness.commands.report_files import report_in
    from reports.agreement import LEGEND, agreement_sheet, answers_in, baseline_of, change_sheet, confusion_sheet
    from reports.errors import ReportError
    from reports.files import read_report
    from reports.tables import sheet_table

    loaded = read_report(report_in(report))
    if loaded.environment.data_sha256 != mnist.shipped_sha256("test"):
        raise ReportError(f"{report} was made with other digits than those that come with this crossrt")
    labels = mnist.shipped("test").labels
    chosen, baseline = answers_in(loaded, only), baseline_of(loaded)
    console = result_console()
    console.print(sheet_table(change_sheet(loaded, chosen, baseline, labels)))
    console.print()
    console.print(sheet_table(agreement_sheet(loaded, chosen)))
    for each in chosen if confusion else ():
        if each.result.case != baseline.result.case:
            console.print()
            console.print(sheet_table(confusion_sheet(baseline, each, each.result.case)))
    console.print()
    console.print(LEGEND, style="dim", markup=False)
