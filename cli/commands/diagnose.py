"""`crossrt diagnose`: where does the error come from?"""

from __future__ import annotations

from typing import Any

import click

from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option, recording_console
from crossrt.cli.shared.subject_options import target_of, target_options

_SAMPLES = 1_000


@click.command(short_help="Where the error of a quantized file comes from, and what would help.")
@target_options("VARIANT|FILE")
@click.option("--no-advice", is_flag=True, help="Do not try out changes of the recipe.")
@config_option()
@json_option
def diagnose(name: str, no_advice: bool, **options: Any) -> None:
    """Compare each tensor with its counterpart in the float model, over the samples of --data.

    VARIANT is a recipe's name, such as int8-qdq, with its format where two have it: int8-dynamic.onnx; changes of its
    recipe are tried as well. FILE is any quantized .onnx or .tflite file, beside --float: tensors are matched by name,
    and what cannot be matched is said. 1,000 samples are run, or as many as --samples says.

    \b
    crossrt diagnose int8-qdq
    crossrt diagnose quantized.onnx --float float.onnx --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.datasets.opening import RANDOM, DataRequest
    from crossrt.harness.analyze.diagnosis.run import diagnose_file
    from crossrt.harness.analyze.diagnosis.tables import diagnosis_notes, histograms, tensor_sheet, trial_sheet
    from crossrt.harness.analyze.diagnosis.trials import try_changes
    from crossrt.harness.build.subject import find_subject
    from crossrt.harness.evaluate.reference_check import reference_cautions
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.tables.terminal import print_cautions, print_sheet
    from crossrt.reports.text.progress import Terminal

    target = target_of(name, **options)
    samples, dimensions = target.subject.samples or _SAMPLES, target.subject.dimensions
    with Terminal(message_console()) as display, scratch_folder() as folder:
        found = find_subject(target, folder, display)
        data = found.data or DataRequest(reference=RANDOM, limit=64, dimensions=dict(dimensions))
        display.phase("diagnosing", 1)
        diagnosis = diagnose_file(found, samples, data, dimensions, folder, target.timeout_s)
        cautions = list(found.opened.cautions + found.opened.warnings) if found.opened is not None else []
        if found.original is not None:
            cautions += reference_cautions(found.original, data, target.subject.task, samples, dimensions, folder)
        display.step()
        trials = None if no_advice else try_changes(target, found, diagnosis, display)
    console = result_console()
    print_cautions(cautions, console)
    assert found.original is not None
    console.print(f"{found.artifact.path.name} compared with {found.original.path.name}\n", style="bold", markup=False)
    if data.reference == RANDOM:
        console.print("CAUTION: inputs are random: give --data DATA to see real ones\n", style="yellow")
    print_sheet(tensor_sheet(diagnosis, found.artifact.model), console)
    if recording_console() is None:  # histograms of signs say nothing to programs
        console.print("\nWorst tensors: values on a logarithmic scale, | the ends of the range\n", style="bold")
        for line in histograms(diagnosis, found.artifact.model):
            console.print(line, markup=False)
    console.print()
    if trials is not None and len(trials.tried) > 1:
        print_sheet(trial_sheet(trials), console)
        console.print()
    for note in diagnosis_notes(diagnosis, found):
        console.print(note, style="yellow" if note.startswith("CAUTION") else "dim", markup=False)
