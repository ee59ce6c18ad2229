"""`crossrt qat`: quantization-aware training, and both files written with one set of scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.shared.json_output import json_option, recording_console
from crossrt.cli.shared.option_types import COUNT, FiniteRange

if TYPE_CHECKING:
    from crossrt.datasets.request import DataRequest
    from crossrt.harness.qat.request import QatRequest


@click.command(short_help="Train a Keras model for int8, and write ONNX and TFLite with the same scales.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="DATA",
    help="Samples with labels; like --data of crossrt bench.  [default: the bundled data for bundled models]",
)
@click.option("--labels", metavar="FILE", help="Labels of --data, in a file of their own.")
@click.option(
    "--classes", metavar="NAMES", help="Names of the classes in the order of the output, for labels that are names."
)
@click.option("--split", metavar="NAME", help="Part of --data that is trained on, where it has parts, such as train.")
@click.option(
    "--validation",
    metavar="DATA",
    help="Samples with labels to validate on, in place of a part of --data. They choose the epoch: never give the data"
    " that you test with, and beware that of a data set with parts this takes the first, often test.",
)
@click.option(
    "--validation-split",
    type=FiniteRange(0, 0.9),
    default=0.1,
    show_default=True,
    metavar="SHARE",
    help="Share of --data that is held out to validate on and to choose the epoch; 0 for none.",
)
@click.option("--epochs", type=COUNT, default=10, show_default=True, help="How often all samples are seen.")
@click.option(
    "--lr",
    "learning_rate",
    type=FiniteRange(0, 10, min_open=True),
    default=1e-4,
    show_default=True,
    help="Learning rate at the start; it falls to zero along a cosine.",
)
@click.option("--batch-size", type=COUNT, default=64, show_default=True, help="Samples in a training step.")
@click.option(
    "--weight-bits",
    type=click.Choice(["8", "4"]),
    default="8",
    show_default=True,
    help="Bits of weights; 4-bit weights are stored as int8. Activations have 8.",
)
@click.option(
    "--ranges",
    type=click.Choice(["moving-average", "learned"]),
    default="moving-average",
    show_default=True,
    help="Ranges of activations: moving averages of what is seen, or learned with the weights (LSQ).",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "sgd"]),
    default="adam",
    show_default=True,
    help="Adam, or SGD with a momentum of 0.9, which takes larger rates.",
)
@click.option("--patience", type=COUNT, metavar="N", help="Stop after N epochs without a better one.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of orders and dropout.")
@click.option(
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What is learnt.  [default: by labels and output]",
)
@click.option("--resume", is_flag=True, help="Go on after the last checkpoint in --out.")
@click.option("--allow-h5", is_flag=True, help="Load a legacy .h5 file, which can run code of whoever made it.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results/qat"),
    show_default=True,
    help="Folder for the files, checkpoints, curves and the comparison of scales.",
)
@json_option
def qat(**options: Any) -> int:
    """Train MODEL, a Keras classifier or regressor, with quantization simulated, and write both int8 files.

    BatchNorm is folded into the weights, and each group of layers that runtimes fuse is trained with the rounding that
    it will have. The epoch that validates best is written as ONNX (QDQ) and TFLite with the same scales and zero
    points, which are compared one by one, beside float32 files; measure all with crossrt bench --artifacts. A
    checkpoint is kept after every epoch: --resume goes on after an interruption, with the same result. The exit code is
    1 if a scale differs.

    \b
    crossrt qat my.keras --data train.npz --epochs 10 --out qat
    crossrt qat my.keras --data train.npz --weight-bits 4 --lr 1e-3 --out qat4
    crossrt bench --artifacts qat --data test.npz
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    from crossrt.cli.shared.options import message_console, result_console
    from crossrt.harness.qat.gains import training_notes
    from crossrt.harness.qat.run import run_qat
    from crossrt.harness.qat.tables import cautions, files_sheet, headline, layers_sheet, outputs_sheet, scales_sheet
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.printable import printable
    from crossrt.reports.text.progress import Terminal

    with Terminal(message_console()) as display:
        found = run_qat(_request(**options), display)
    console = result_console()
    console.print(headline(found), style="bold", markup=False)
    for sheet in (scales_sheet(found), outputs_sheet(found), files_sheet(found)):
        console.print()
        print_sheet(sheet, console)
    if any(each.differs for each in found.proof.layers):
        console.print()
        print_sheet(layers_sheet(found), console)
    elif found.proof.layers:
        layers, samples = len(found.proof.layers), found.proof.samples
        console.print(f"all {layers} layers compute the same integers in all three ({samples} samples)", markup=False)
    for caution in cautions(found):
        console.print(f"CAUTION  {printable(caution)}", markup=False)
    for note in training_notes(found):
        console.print(f"note  {printable(note)}", markup=False)
    for note in found.notes if recording_console() is not None else found.notes[found.shown_notes :]:
        console.print(f"note  {printable(note)}", markup=False)
    different = found.proof.different
    if different:
        console.print(f"failed  {len(different)} of {len(found.proof.tensors)} scales differ:", markup=False)
        for each in different:
            console.print(f"  {each.step} ({each.role}): {printable(each.difference or '')}", markup=False)
    console.print(
        f"\n{len(found.artifacts)} files and the curves of the training in {found.folder}; to measure them:"
        f" crossrt bench --artifacts {found.folder}",
        markup=False,
    )
    return int(bool(different))


def _request(
    *,
    model: Path,
    data: str | None,
    labels: str | None,
    classes: str | None,
    split: str | None,
    validation: str | None,
    validation_split: float,
    weight_bits: str,
    resume: bool,
    **others: Any,
) -> QatRequest:
    from crossrt.harness.qat.request import QatRequest, with_bundled

    if (labels or classes or split) and not data:
        raise click.UsageError("--labels, --classes and --split go with --data")
    path, training, validating = with_bundled(
        model, _data(data, labels, classes, split), _data(validation, None, classes, None)
    )
    return QatRequest(
        model=path,
        data=training,
        validation=validating,
        validation_share=validation_split,
        bits=4 if weight_bits == "4" else 8,
        resumes=resume,
        **others,
    )


def _data(reference: str | None, labels: str | None, classes: str | None, split: str | None) -> DataRequest | None:
    from crossrt.datasets.request import DataRequest

    if reference is None:
        return None
    return DataRequest(reference=reference, labels=labels, classes=classes, split=split)
