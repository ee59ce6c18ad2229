"""`crossrt quantize`: recipes carried out, and what came of them checked."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import artifacts_out_option, minimum_agreement_option, model_option
from crossrt.harness.cli.commands.recipes import recipe_file_option


@click.command(short_help="Quantize by recipe, check what came of it, and copy it to a folder.")
@click.option(
    "--recipe",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="A recipe's name, or a shell pattern such as 'int8-qdq*'. May be repeated.  [default: all]",
)
@recipe_file_option
@model_option
@minimum_agreement_option
@artifacts_out_option
@config_option()
def quantize(patterns: tuple[str, ...], file: Path | None, model: Path | None, min_agreement: float, out: Path) -> int:
    """Build quantized variants of a Keras model by recipe, each held against the model before it counts.

    What answers too differently is a failed row with its likely cause, and is not written. Measure the rest with
    crossrt bench --artifacts.
    """
    from crossrt.exporters.sources.keras_file import model_name
    from crossrt.exporters.variants import FLOAT_ONNX, FLOAT_TFLITE, variant_of
    from crossrt.harness.build.export import run_export
    from crossrt.harness.build.exported import write_folder
    from crossrt.harness.build.recipes import choose_recipes, outcome_sheet
    from crossrt.harness.cli.commands.options import message_console, model_path, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.harness.process.out import check_writable
    from crossrt.reports.tables.terminal import sheet_table
    from crossrt.reports.text.cells import counted
    from crossrt.reports.text.printable import printable

    path = model_path(model)
    chosen = choose_recipes(file, patterns, model_name(path))
    check_writable(out)
    variants = list(map(variant_of, chosen.recipes))
    formats = {variant.format for variant in variants}
    floats = [each for each in (FLOAT_ONNX, FLOAT_TFLITE) if each.format in formats]
    with Terminal(message_console()) as display:
        found = run_export(path, [*floats, *variants], (), min_agreement, display)
    write_folder(found, out)
    console = result_console()
    console.print(sheet_table(outcome_sheet(found, model_name(path))))
    for item, failure in found.problems.items():
        console.print(f"failed  {item}: {printable(failure.reason)}", markup=False)
    for item, reason in chosen.rejected.items():
        console.print(f"left out  {item}: {reason}", markup=False)
    files = counted(len(found.artifacts), "file")
    console.print(f"\n{files} in {out}; to measure them: crossrt bench --artifacts {out}", markup=False)
    return int(bool(found.problems))
