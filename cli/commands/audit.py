"""`crossrt audit`: are the scales of a quantized file what its recipe makes of the float model?"""

from __future__ import annotations

from typing import Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option, recording_console
from crossrt.cli.shared.subject_options import target_of, target_options


@click.command(short_help="Compare every scale and zero point of a quantized file with its recipe.")
@target_options("VARIANT|FILE")
@config_option()
@json_option
def audit(name: str, **options: Any) -> int:
    """Compute scale and zero point of each tensor from what the float model shows, and compare.

    VARIANT is a recipe's name, such as int8-qdq, with its format where two have it: int8-dynamic.onnx. FILE is any
    .onnx or .tflite file, whoever made it: what it holds is checked by itself. Give --float for checks against the
    float file, and --calibration to compare the scales of activations as well; its recipe comes from the manifest
    beside it, or is read from the file. The exit code is 1 if a tensor differs for no known reason, or a check says
    wrong.

    \b
    crossrt audit int8-qdq
    crossrt audit int8-qdq --model my.keras --calibration train.npz
    crossrt audit quantized.onnx
    crossrt audit quantized.onnx --float float.onnx --calibration train.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.analyze.audit import (
        audit_headline,
        audit_notes,
        audit_sheet,
        check_sheet,
        finding_sheet,
        finding_table,
        run_audit,
    )
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.tables.terminal import print_note, print_sheet
    from crossrt.reports.text.progress import Terminal

    target = target_of(name, **options)
    with Terminal(message_console()) as display, scratch_folder() as folder:
        found = run_audit(target, folder, display)
    console = result_console()
    style = "bold red" if found.is_wrong else "bold yellow" if found.named("caution") else "bold green"
    console.print(audit_headline(found), style=style, markup=False)
    for note in audit_notes(found):
        print_note(note, console)
    console.print()
    if (checks := check_sheet(found)).rows:
        print_sheet(checks, console)
        console.print()
    if findings := finding_table(found) if recording_console() is not None else finding_sheet(found):
        print_sheet(findings, console)
        console.print()
    print_sheet(audit_sheet(found), console)
    return int(found.is_wrong)
