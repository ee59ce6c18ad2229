"""`crossrt sensitivity`: how much depends on the calibration digits?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.config import config_option
from harness.commands.options import model_option
from harness.commands.recipes import recipe_file_option


@click.command(short_help="How much a variant depends on the digits that calibrated it.")
@click.argument("variant")
@recipe_file_option
@model_option
@click.option("--subsets", type=click.IntRange(2, 50), default=5, show_default=True, help="Sets of digits, by seed.")
@config_option()
def sensitivity(variant: str, file: Path | None, model: Path | None, subsets: int) -> None:
    """Build VARIANT over several sets of calibration digits: spread of scales, of signal to noise, and of accuracy."""
    from harness.commands.options import message_console, model_path, result_console
    from harness.progress import Terminal
    from harness.sensitivity import answers_sheet, run_sensitivity, scales_sheet
    from harness.subject import Subject
    from reports.tables import sheet_table

    subject = Subject(variant=variant, model_path=model_path(model), recipes=file)
    with Terminal(message_console()) as display:
        found = run_sensitivity(subject, subsets, display)
    console = result_console()
    console.print(sheet_table(answers_sheet(found)))
    console.print()
    console.print(sheet_table(scales_sheet(found, subject.model_path.stem)))
