"""`crossrt quantize`: recipes carried out, and what came of them checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossrt.cli.commands.recipes import recipe_file_option
from crossrt.cli.shared.config import config_option
from crossrt.cli.shared.json_output import json_option
from crossrt.cli.shared.options import artifacts_out_option, minimum_agreement_option, models_argument, subject_options

SAME_SCALES = "int8-same"


@click.command(short_help="Quantize by recipe, check what came of it, and copy it to a folder.")
@models_argument
@click.option(
    "--recipe",
    "patterns",
    multiple=True,
    metavar="NAME",
    help="A recipe's name, or a shell pattern such as 'int8-qdq*'. May be repeated.  [default: all that fit the model]",
)
@click.option(
    "--same-scales",
    is_flag=True,
    help="Calibrate once and write an ONNX and a TFLite file with the same scales: short for --recipe int8-same.",
)
@recipe_file_option
@subject_options
@minimum_agreement_option
@artifacts_out_option
@config_option()
@json_option
def quantize(
    patterns: tuple[str, ...], same_scales: bool, file: Path | None, min_agreement: float, out: Path, **subject: Any
) -> int:
    """Build quantized variants of MODEL by recipe, each compared with the model before it counts.

    MODEL is a Keras or SavedModel model or a float ONNX or TFLite file; most recipes need --calibration, and without it
    only the others are built. A recipe that was not named and does not fit the model is left out. What answers too
    differently is a failed row with its likely cause, and is not written. Measure the rest with crossrt bench
    --artifacts.

    \b
    crossrt quantize my.onnx --calibration train.npz --data test.npz --out lab
    crossrt quantize my.keras --same-scales --calibration train.npz \\
        --data test.npz --out lab
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console, subject_from
    from crossrt.harness.build.diagnosing import diagnose_command
    from crossrt.harness.build.exported import write_folder
    from crossrt.harness.build.quantizing import Quantizing, run_quantize
    from crossrt.harness.build.recipes import method_notes, outcome_sheet
    from crossrt.harness.process.out import check_writable
    from crossrt.harness.qat.pairs import pair_lines, proof_file
    from crossrt.harness.qat.request import write_proof
    from crossrt.harness.run.prepare import scratch_folder
    from crossrt.reports.tables.accuracy import hollow_notes
    from crossrt.reports.tables.terminal import print_cautions, print_sheet
    from crossrt.reports.text.cells import counted
    from crossrt.reports.text.printable import printable
    from crossrt.reports.text.progress import Terminal

    if same_scales:
        patterns = (*patterns, SAME_SCALES)
    asked = Quantizing(subject=subject_from(**subject), patterns=patterns, file=file, minimum_agreement=min_agreement)
    check_writable(out)
    with Terminal(message_console(), tells_failures=False) as display, scratch_folder() as folder:
        quantized = run_quantize(asked, folder, display)
    found = quantized.exported.found
    write_folder(found, out)
    for name, proof in quantized.proofs.items():
        write_proof(proof, out / proof_file(name))
    console = result_console()
    print_cautions(quantized.exported.reference_cautions, console)
    print_sheet(outcome_sheet(quantized.exported, quantized.model), console)
    for item, caution in quantized.exported.cautions.items():
        console.print(f"CAUTION  {item}: {caution}", markup=False)
    for name, proof in quantized.proofs.items():
        for line in pair_lines(name, proof):
            console.print(printable(line), markup=False)
    built = {item: each.quantization for item, each in found.artifacts.items()}
    for line in (*hollow_notes(built), *method_notes(built)):
        console.print(f"note  {line}", markup=False)
    for item, failure in found.problems.items():
        console.print(f"failed  {item}: {printable(failure.reason)}", markup=False)
        if item in quantized.exported.answered:
            command = diagnose_command(item.removeprefix(f"{quantized.model}."), quantized.subject, file)
            console.print(f"  where its error comes from: {command}", markup=False, soft_wrap=True)
    for line in quantized.left_out:
        console.print(f"left out  {printable(line)}", markup=False)
    files = counted(len(found.artifacts), "file")
    advice = f"; to measure them: crossrt bench --artifacts {out}" if found.artifacts else ""
    console.print(f"\n{files} in {out}{advice}", markup=False)
    return int(bool(found.problems) or any(each.different for each in quantized.proofs.values()))
