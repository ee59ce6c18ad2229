"""`crossrt diagnose`: where does the error come from?"""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.harness.cli.commands.config import config_option
from crossrt.harness.cli.commands.subject_options import subject_of, subject_options


@click.command(short_help="Where the error of a quantized file comes from, and what would help.")
@subject_options
@click.option("--samples", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Test digits to run.")
@click.option("--no-advice", is_flag=True, help="Do not try out changes of the recipe.")
@config_option()
def diagnose(
    variant: str, artifacts: Path | None, file: Path | None, model: Path | None, samples: int, no_advice: bool
) -> None:
    """Hold each tensor of VARIANT against its float32 counterpart, and try changes of its recipe.

    VARIANT is a recipe's name, such as int8-qdq, with its format where two have it: int8-dynamic.onnx.
    """
    from crossrt.harness.analyze.diagnosis.run import diagnose_file
    from crossrt.harness.analyze.diagnosis.tables import diagnosis_notes, histograms, tensor_sheet, trial_sheet
    from crossrt.harness.analyze.diagnosis.trials import try_changes
    from crossrt.harness.build.subject import find_subject
    from crossrt.harness.cli.commands.options import message_console, result_console
    from crossrt.harness.cli.progress import Terminal
    from crossrt.reports.tables.terminal import sheet_table

    subject = subject_of(variant, artifacts, file, model)
    with Terminal(message_console()) as display:
        found = find_subject(subject, display)
        display.phase("diagnosing", 1)
        diagnosis = diagnose_file(found, samples)
        display.step()
        trials = [] if no_advice or artifacts else try_changes(subject, found, diagnosis, display)
    console = result_console()
    console.print(f"{found.artifact.id} against {found.original.id}\n", style="bold", markup=False)
    console.print(sheet_table(tensor_sheet(diagnosis, found.artifact.model)))
    console.print("\nWorst tensors: values on a logarithmic scale, | the ends of the range\n", style="bold")
    for line in histograms(diagnosis, found.artifact.model):
        console.print(line, markup=False)
    console.print()
    if len(trials) > 1:
        console.print(sheet_table(trial_sheet(trials)))
        console.print()
    for note in diagnosis_notes(diagnosis, found):
        console.print(note, style="yellow" if note.startswith("CAUTION") else "dim", markup=False)
