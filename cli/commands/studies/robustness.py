"""`crossrt robustness`: answers to corrupted images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossrt.cli.commands.recipes import recipe_file_option
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.options import models_argument, only_option, subject_options, timeout_option

_SAMPLES = 2_000


@click.command(short_help="How quantized models answer noisy, blurred, rotated and otherwise corrupted images.")
@models_argument
@recipe_file_option
@only_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the corruptions.")
@click.option(
    "--layout",
    type=click.Choice(["channels-last", "channels-first", "no-channels"]),
    help="Where the channels of an image are.  [default: told by a number of channels of 1, 3 or 4]",
)
@subject_options
@timeout_option()
@config_option()
@json_option
def robustness(
    models: tuple[Path, ...],
    file: Path | None,
    only: tuple[str, ...],
    seed: int,
    layout: Any,
    timeout: float,
    **options: Any,
) -> None:
    """Evaluate files on images under ten kinds of corruption, five strengths each, compared with the float model.

    A model that keeps its accuracy on clean images may lose it where they are not like those it was calibrated with.
    MODEL is what crossrt bench takes: the variants of one model, or several files, the first float one of which is the
    baseline. 2,000 samples are corrupted, or as many as --samples says.

    \b
    crossrt robustness --only 'int8*'
    crossrt robustness float.onnx quantized.onnx --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console, subject_from
    from crossrt.harness.analyze.robustness import run_robustness
    from crossrt.harness.analyze.robustness_tables import LEGEND, corruption_sheet, variant_sheet
    from crossrt.harness.build.variant_files import known_variants, variant_files
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.measure.settings import WorkerLimits
    from crossrt.harness.run.prepare import open_project, scratch_folder
    from crossrt.reports.tables.terminal import print_cautions, print_note, print_sheet
    from crossrt.reports.text.progress import Terminal

    subject = subject_from(models=models, seed=seed, **options)
    if subject.artifacts and file:
        raise click.UsageError("--artifacts excludes --file: the folder says what it holds")
    if subject.samples is not None and subject.samples < 2:
        raise click.UsageError("--samples must be at least 2: a change is judged over samples")
    with Terminal(message_console()) as display, scratch_folder() as folder:
        opened = open_project(subject, folder)
        if opened.project.is_random:
            raise HarnessError("images are needed: give them with --data DATA")
        found = variant_files(opened, subject, known_variants(opened.project, file), only, display)
        for name, reason in found.problems.items():
            display.remark(f"  {name}: left out: {reason}")
        if not found.files:
            raise HarnessError("no file can be used: see the reasons above")
        samples, limits = subject.samples or _SAMPLES, WorkerLimits(timeout_s=timeout)
        result = run_robustness(found.files, opened, subject, samples, seed, layout, display, limits)
    labels = {each.id: each.id.removeprefix(f"{each.model}.") for each in found.files}
    console = result_console()
    print_cautions(result.cautions, console)
    print_sheet(variant_sheet(result, labels), console)
    console.print()
    print_sheet(corruption_sheet(result, labels), console)
    console.print()
    print_note(LEGEND, console)
