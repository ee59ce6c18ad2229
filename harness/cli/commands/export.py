"""`crossrt export`: artifacts only."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.options import (
    artifacts_out_option,
    minimum_agreement_option,
    model_option,
    only_option,
)


@click.command(short_help="Build and check the artifacts, and copy them to a folder.")
@model_option
@only_option
@minimum_agreement_option
@artifacts_out_option
@config_option()
def export(model: Path | None, only: tuple[str, ...], min_agreement: float, out: Path) -> int:
    """Build the ONNX and TFLite variants of a Keras model, each checked against the Keras model.

    What is in the cache already is not built again. The folder can be measured elsewhere, without TensorFlow, by
    crossrt bench --artifacts.
    """
    from crossrt.exporters.variants import main_variants
    from crossrt.harness.build.export import run_export
    from crossrt.harness.build.exported import write_folder
    from crossrt.harness.cli.commands.options import message_console, model_path, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.harness.process.out import check_writable
    from crossrt.reports.text.printable import printable

    check_writable(out)
    with Terminal(message_console()) as display:
        found = run_export(model_path(model), main_variants(), only, min_agreement, display)
    console = result_console()
    for path in write_folder(found, out):
        console.print(f"{path.stat().st_size:>10,} bytes  {path}", markup=False)
    for item, failure in found.problems.items():
        console.print(f"    failed        {item}: {printable(failure.reason)}", markup=False)
    cached = len(found.artifacts) + bool(found.reference) - found.built
    console.print(f"{found.built} built, {max(cached, 0)} from the cache", markup=False)
    return int(bool(found.problems))
