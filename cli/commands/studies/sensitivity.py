"""`crossrt sensitivity`: how much depends on the calibration samples?"""

from __future__ import annotations

from typing import Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.subject_options import target_of, target_options


@click.command(short_help="How much a variant depends on the samples that calibrated it.")
@target_options("VARIANT", has_float=False)
@click.option("--subsets", type=click.IntRange(2, 50), default=5, show_default=True, help="Sets of samples, by seed.")
@config_option()
@json_option
def sensitivity(name: str, subsets: int, **options: Any) -> None:
    """Build VARIANT over several sets of calibration samples: spread of scales, of signal to noise, and of accuracy.

    \b
    crossrt sensitivity int8-qdq --model my.onnx --calibration train.npz \\
        --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.analyze.sensitivity import answers_sheet, run_sensitivity, scales_sheet
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.tables.terminal import print_cautions, print_sheet
    from crossrt.reports.text.progress import Terminal

    target = target_of(name, **options)
    if target.subject.artifacts is not None:
        raise click.UsageError("variants are built from a model: --artifacts has nothing to build from")
    with Terminal(message_console()) as display, scratch_folder() as folder:
        found = run_sensitivity(target, subsets, folder, display)
    console = result_console()
    print_cautions(found.cautions, console)
    print_sheet(answers_sheet(found), console)
    console.print()
    print_sheet(scales_sheet(found), console)
