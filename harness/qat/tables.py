"""What a training found, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossrt.analysis.same_scales import ComparedTensor, LayerSteps, Spread
from crossrt.harness.qat.following import shown_metric
from crossrt.harness.qat.request import LEAST_WITHIN_ONE, LsbDifference, Trained
from crossrt.reports.text.cells import Cell, Sheet, Tone, written


def scales_sheet(found: Trained) -> Sheet:
    """A row for each scale, those that differ first."""
    rows = sorted(found.proof.tensors, key=lambda each: each.difference is None)
    return Sheet(
        title="Scales and zero points of both files, compared with the trained ones to the last bit",
        columns=("layer", "role", "scales", "first scale", "zero", "ONNX and TFLite"),
        rows=tuple(_scale_row(each) for each in rows),
        is_text=True,
        dropped_first=("scales", "zero", "first scale"),
        footer=("the integers of the ONNX file are uint8: those of the TFLite file plus 128, zero points included",),
    )


def _scale_row(tensor: ComparedTensor) -> tuple[Cell, ...]:
    verdict = Cell(text=tensor.difference, tone="bad") if tensor.difference else Cell(text="equal")
    cells = (tensor.step, tensor.role, str(len(tensor.scales)), f"{tensor.scales[0]:.9g}", str(tensor.zero_point))
    return (*(Cell(text=text) for text in cells), verdict)


def outputs_sheet(found: Trained) -> Sheet:
    """A row for each two that answered."""
    samples = found.proof.outputs[0].samples
    return Sheet(
        title=f"Outputs in quantization steps (LSB), {samples:,} samples",
        columns=("answers of", "compared with", "equal", "within 1 LSB", "largest"),
        rows=tuple(_output_row(each) for each in found.proof.outputs),
        is_text=True,
    )


def _output_row(each: LsbDifference) -> tuple[Cell, ...]:
    tone: Tone | None = None if each.within_one >= LEAST_WITHIN_ONE else "doubt"
    return (
        Cell(text=each.one),
        Cell(text=each.other),
        Cell(text=f"{each.equal:.2%}"),
        Cell(text=f"{each.within_one:.3%}", tone=tone),
        Cell(text=f"{each.most:g}"),
    )


def layers_sheet(found: Trained) -> Sheet:
    """A row for each layer that not all compute alike; why, for those where it begins, in lines below."""
    proof = found.proof
    rows = tuple(
        (
            Cell(text=each.step),
            *(Cell(text=_spread(spread)) for spread in each.spreads),
        )
        for each in proof.layers
        if each.differs
    )
    pairs = [f"{each.one} / {each.other}" for each in proof.layers[0].spreads]
    return Sheet(
        title=f"Layers that do not compute the same integers, {proof.samples} samples: off by 1 LSB, by more",
        columns=("layer", *pairs),
        rows=rows,
        is_text=True,
        footer=tuple(_reasons(proof.layers)),
    )


def _reasons(layers: Sequence[LayerSteps]) -> Iterator[str]:
    different = [each for each in layers if each.differs]
    begins = [each for each in different if each.reason is not None]
    yield from (f"{each.step}: {each.reason}" for each in begins)
    if len(begins) < len(different):
        yield "all others: inherited from what they take" if begins else "inherited from what they take"


def _spread(spread: Spread) -> str:
    return f"{spread.off_by_one:.3%}, {spread.off_by_more:.3%}" if spread.most else "equal"


def files_sheet(found: Trained) -> Sheet:
    """A row for each file, with what it scores."""
    shown = [each for each in found.definitions if any(each.name in one.values for one in found.evaluations.values())]
    rows = []
    for key, artifact in found.artifacts.items():
        values = found.evaluations[key].values if key in found.evaluations else {}
        numbers = [written(values[each.name], each.format) if each.name in values else "-" for each in shown]
        rows.append(tuple(Cell(text=text) for text in (key, f"{artifact.size_bytes:,}", *numbers)))
    title = "Files"
    if scored := next(iter(found.evaluations.values()), None):
        chose = "; they chose the epoch, so score other samples with crossrt bench"
        title += (
            f", scored on {scored.samples:,} samples that were {_seen(found) + (chose if _validated(found) else '')}"
        )
    return Sheet(title=title, columns=("file", "bytes", *(each.label for each in shown)), rows=tuple(rows))


def _validated(found: Trained) -> bool:
    return any(each.validation is not None for each in found.epochs)


def _seen(found: Trained) -> str:
    return "validated on" if _validated(found) else "trained on"


def headline(found: Trained) -> str:
    """The outcome in a line."""
    best = next((each for each in found.epochs if each.epoch == found.best), None)
    if best is None or best.validation is None:
        return f"{found.model}: trained for {found.best} epochs; there were no samples to validate on"
    before = found.epochs[0].validation
    training = next((each.training for each in found.artifacts.values() if each.training is not None), None)
    on = f" on the {training.validation_samples:,} validation samples that chose it" if training is not None else ""
    text = f"{found.model}: {shown_metric(found.metric, best.validation.metric)} after epoch {found.best}{on}"
    if found.float_metric is not None and before is not None:
        text += (
            f"; {shown_metric(found.metric, found.float_metric)} in float,"
            f" {shown_metric(found.metric, before.metric)} calibrated without training"
        )
    return text


def cautions(found: Trained) -> Iterator[str]:
    """What speaks against taking the files for one network."""
    for each in found.proof.outputs:
        if each.within_one < LEAST_WITHIN_ONE:
            yield (
                f"{each.one} and {each.other}: {1 - each.within_one:.3%} of the outputs differ by more than 1 LSB, by"
                f" up to {each.most:g}"
            )
