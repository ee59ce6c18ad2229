"""`crossrt robustness`: answers to spoilt digits."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import model_option, only_option
from crossrt.harness.cli.commands.recipes import recipe_file_option


@click.command(short_help="How quantized variants answer noisy, blurred, turned and otherwise spoilt digits.")
@model_option
@recipe_file_option
@only_option
@click.option(
    "--artifacts",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the files from this folder, written by crossrt quantize or export.",
)
@click.option(
    "--samples", type=click.IntRange(100, 10_000), default=2_000, show_default=True, help="Test digits to spoil."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the corruptions.")
@config_option()
def robustness(
    model: Path | None, file: Path | None, only: tuple[str, ...], artifacts: Path | None, samples: int, seed: int
) -> None:
    """Evaluate variants on test digits under ten kinds of corruption, five strengths each, against float32.

    A model that keeps its accuracy on clean digits may lose it where inputs are not like those it was calibrated with.
    """
    from crossrt.harness.analyze.robustness import LEGEND, corruption_sheet, run_robustness, variant_sheet
    from crossrt.harness.build.variant_files import known_variants, variant_files
    from crossrt.harness.cli.commands.options import message_console, model_path, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.harness.evaluate.workspace import open_workspace
    from crossrt.reports.tables.terminal import sheet_table

    if artifacts and (model or file):
        raise click.UsageError("--artifacts excludes --model and --file: the folder says what it holds")
    with Terminal(message_console()) as display, open_workspace() as workspace:
        files = variant_files(model_path(model), artifacts, known_variants(file), only, workspace, display)
        found = run_robustness(files, workspace, samples, seed, display)
    labels = {each.id: each.id.removeprefix(f"{each.model}.") for each in files}
    console = result_console()
    console.print(sheet_table(variant_sheet(found, labels)))
    console.print()
    console.print(sheet_table(corruption_sheet(found, labels)))
    console.print()
    console.print(LEGEND, style="dim", markup=False)
