"""`crossrt accuracy`: answers compared with each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.harness.cli.shared.json_output import json_option
from crossrt.harness.cli.shared.options import only_option

if TYPE_CHECKING:
    from crossrt.reports.tables.agreement_matrix import Measure


@click.command(short_help="Compare the answers of a report's cases with each other, sample by sample.")
@click.argument("report", type=click.Path(path_type=Path))
@only_option
@click.option(
    "--measure",
    type=click.Choice(["agreement", "relative", "steps", "kl"]),
    help="How cases are compared with each other: same answers, difference of outputs relative to their norm, largest"
    " difference of an output in quantization steps (LSB), or divergence of the probabilities in nats.  [default:"
    " agreement where answers are classes, else relative]",
)
@click.option("--confusion", is_flag=True, help="Also print each confusion matrix minus the baseline's.")
@json_option
def accuracy(report: Path, only: tuple[str, ...], measure: Measure | None, confusion: bool) -> None:
    """Show which samples each case of REPORT fixed and broke against the baseline, and how far cases agree."""
    from crossrt.harness.cli.shared.options import result_console
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report
    from crossrt.reports.tables.agreement import LEGEND, answers_in, baseline_of, change_sheet, confusion_sheet
    from crossrt.reports.tables.agreement_matrix import LEGENDS, agreement_sheet
    from crossrt.reports.tables.terminal import print_note, print_sheet, print_warnings, sheet_width

    loaded = read_report(report_in(report))
    chosen, baseline = answers_in(loaded, only), baseline_of(loaded)
    if measure is None:
        measure = "relative" if baseline.evaluation.predictions is None and loaded.distances else "agreement"
    console = result_console()
    matrix = agreement_sheet(loaded, chosen, measure, console.width)  # first: the report may not hold it
    print_warnings(loaded, console)
    print_sheet(change_sheet(loaded, chosen, baseline), console)
    console.print()
    print_sheet(matrix, console)
    for each in chosen if confusion else ():
        if each.result.case != baseline.result.case:
            console.print()
            names = loaded.data.classes
            sheet = confusion_sheet(baseline, each, each.result.case, names=names)
            if sheet_width(sheet) > console.width:
                sheet = confusion_sheet(baseline, each, each.result.case, most_classes=0, names=names)
            print_sheet(sheet, console)
    console.print()
    print_note(f"{LEGEND} {LEGENDS[measure]}", console)
