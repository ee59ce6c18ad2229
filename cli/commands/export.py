"""`crossrt export`: artifacts only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.options import (
    artifacts_out_option,
    minimum_agreement_option,
    models_argument,
    only_option,
    subject_options,
)


@click.command(short_help="Build and check the artifacts, and copy them to a folder.")
@models_argument
@subject_options
@only_option
@minimum_agreement_option
@artifacts_out_option
@config_option()
@json_option
def export(only: tuple[str, ...], min_agreement: float, out: Path, **subject: Any) -> int:
    """Build the ONNX and TFLite variants of MODEL, each checked against it.

    What is in the cache already is not built again. The folder can be measured elsewhere, without TensorFlow, by
    crossrt bench --artifacts.
    """
    from crossrt.cli.shared.options import message_console, result_console, subject_from
    from crossrt.harness.build.export import check_exportable, run_export, select_variants, written
    from crossrt.harness.build.exported import write_folder
    from crossrt.harness.process.out import check_writable
    from crossrt.harness.run.prepare import open_project, scratch_folder
    from crossrt.reports.tables.terminal import print_cautions
    from crossrt.reports.text.printable import printable
    from crossrt.reports.text.progress import Terminal

    check_writable(out)
    asked = subject_from(**subject)
    with Terminal(message_console(), tells_failures=False) as display, scratch_folder() as folder:
        opened = open_project(asked, folder)
        check_exportable(opened.project)
        variants = select_variants(opened.project.model, opened.project.variants, only)
        exported = run_export(opened, asked, variants, min_agreement, display, is_named=bool(only))
    found, console = exported.found, result_console()
    print_cautions(exported.reference_cautions, console)
    for path in write_folder(found, out):
        console.print(written(path), markup=False)
    for item, failure in found.problems.items():
        console.print(f"    failed        {item}: {printable(failure.reason)}", markup=False)
    for line in found.left_out:
        console.print(f"    left out      {printable(line)}", markup=False)
    cached = len(found.artifacts) + bool(found.reference) - found.built
    console.print(f"{found.built} built, {max(cached, 0)} from the cache", markup=False)
    return int(bool(found.problems))
