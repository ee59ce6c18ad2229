"""`crossrt sensitivity`: how much depends on the calibration digits?"""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import model_option
from crossrt.harness.cli.commands.recipes import recipe_file_option


@click.command(short_help="How much a variant depends on the digits that calibrated it.")
@click.argument("variant")
@recipe_file_option
@model_option
@click.option("--subsets", type=click.IntRange(2, 50), default=5, show_default=True, help="Sets of digits, by seed.")
@config_option()
def sensitivity(variant: str, file: Path | None, model: Path | None, subsets: int) -> None:
    """Build VARIANT over several sets of calibration digits: spread of scales, of signal to noise, and of accuracy."""
    from crossrt.harness.analyze.sensitivity import answers_sheet, run_sensitivity, scales_sheet
    from crossrt.harness.build.subject import Subject
    from crossrt.harness.cli.commands.options import message_console, model_path, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.reports.tables.terminal import sheet_table

    subject = Subject(variant=variant, model_path=model_path(model), recipes=file)
    with Terminal(message_console()) as display:
        found = run_sensitivity(subject, subsets, display)
    console = result_console()
    console.print(sheet_table(answers_sheet(found)))
    console.print()
    console.print(sheet_table(scales_sheet(found, subject.model_path.stem)))
