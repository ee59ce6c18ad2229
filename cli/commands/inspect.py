"""`crossrt inspect`: what a model takes and gives."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.cli.shared.option_types import ModelPath


@click.command(short_help="Inputs, outputs, dimensions, operators and quantization of a model, and the data that fit.")
@click.argument("model", type=ModelPath())
@click.option("--allow-h5", is_flag=True, help="Load a legacy .h5 file, which can run code of whoever made it.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(model: Path, allow_h5: bool, as_json: bool) -> None:
    """Show what MODEL takes and gives: a Keras file, a SavedModel folder, ONNX or TFLite.

    Nothing is done to data behind your back: what a data set gives is what the model gets. The last line shows how
    to save data that fit.
    """
    from crossrt.core.errors import one_line
    from crossrt.harness.build.inspecting import inspect_model
    from crossrt.harness.build.project import model_path

    found = inspect_model(model_path(model), allow_h5=allow_h5)
    if as_json:
        from crossrt.cli.shared.json_output import echo_json

        echo_json(found)
        return
    from crossrt.cli.shared.inspection import inspection_lines, tensor_sheet
    from crossrt.cli.shared.options import result_console
    from crossrt.reports.tables.terminal import print_sheet

    console = result_console()
    for line in inspection_lines(found):
        console.print(one_line(line), markup=False)
    console.print()
    print_sheet(tensor_sheet(found), console)
    if not found.inputs:  # nothing has to be saved for it
        return
    from crossrt.datasets.fitting import savez_line

    console.print()
    console.print("data that fit:", style="dim")
    click.echo(f"  {savez_line(found.inputs, found.batching)}")
