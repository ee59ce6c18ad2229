"""A diagnosis as tables, histograms and notes."""

from __future__ import annotations

import math
from typing import Final

from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, DiagnosedTensor, Diagnosis
from crossrt.harness.analyze.diagnosis.run import is_hidden, saturates, worst_activation
from crossrt.harness.analyze.diagnosis.trials import Trial
from crossrt.harness.build.subject import Found
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.tensor_names import short_name

_BARS: Final = " ▁▂▃▄▅▆▇█"
_WORST: Final = 3
_LEGEND: Final = (
    "SQNR: 10 log10(sum x² / sum (x - x')²). saturated: integers at an end of their range (a folded Relu puts its zeros"
    " there). clipped: float32 values beyond it. range: width of the values over the width that the integers can say."
    " Red: where the ratio falls most."
)


def tensor_sheet(diagnosis: Diagnosis, model: str) -> Sheet:
    """Activations in the order of the layers, then weights, worst first."""
    activations = [each for each in diagnosis.tensors if each.role == "activation"]
    weights = [each for each in diagnosis.tensors if each.role == "weight"]
    weights.sort(key=lambda each: each.sqnr_db if each.sqnr_db is not None else math.inf)
    worst = worst_activation(diagnosis)
    rows = tuple(_row(each, model, is_worst=each is worst) for each in (*activations, *weights))
    columns = ("tensor", "SQNR dB", "precise dB", "rel. error %", "cosine", "saturated %", "clipped %", "range %")
    return Sheet(title="Signal and noise, tensor by tensor", columns=columns, rows=rows)


def _row(tensor: DiagnosedTensor, model: str, *, is_worst: bool) -> tuple[Cell, ...]:
    return (
        Cell(text=short_name(tensor.name, model) + ("" if tensor.role == "activation" else f" ({tensor.role})")),
        Cell(text=_decibel(tensor.sqnr_db), tone="bad" if is_worst else None),
        Cell(text=_decibel(tensor.precise_sqnr_db) if tensor.precise_sqnr_db is not None else "-"),
        Cell(text=f"{100 * tensor.relative_error:.2f}"),
        Cell(text=f"{tensor.cosine:.5f}"),
        Cell(text=f"{100 * tensor.saturated:.2f}"),
        Cell(text=f"{100 * tensor.clipped:.3f}"),
        Cell(text=f"{100 * tensor.range_used:.0f}"),
    )


def _decibel(value: float | None) -> str:
    return "exact" if value is None or value > 120 else f"{value:.1f}"


def trial_sheet(trials: list[Trial]) -> Sheet:
    """What each change would bring."""
    first = trials[0].accuracy
    assert first is not None
    rows = []
    for trial in trials:
        accuracy = trial.accuracy
        if accuracy is None:
            rows.append((Cell(text=trial.change), *[Cell(text="cannot be built")], *[Cell(text="-")] * 3))
            continue
        rows.append(
            (
                Cell(text=trial.change),
                Cell(text=_decibel(accuracy.sqnr_db)),
                Cell(text=_difference(accuracy.sqnr_db, first.sqnr_db)),
                Cell(text=f"{100 * (accuracy.correct - first.correct) / accuracy.samples:+.2f}"),
                Cell(text=f"{trial.size_bytes / 1000:.1f}"),
            )
        )
    columns = ("change of the recipe", "logits dB", "gain dB", "top-1 points", "KB")
    return Sheet(title="Changes, tried on all test digits", columns=columns, rows=tuple(rows))


def _difference(value: float | None, other: float | None) -> str:
    return "-" if value is None or other is None else f"{value - other:+.1f}"


def histograms(diagnosis: Diagnosis, model: str) -> list[str]:
    """The worst tensors as text, on a logarithmic scale; the bars between the marks lie within the range."""
    known = [each for each in diagnosis.tensors if each.sqnr_db is not None and each.role != "bias"]
    lines = []
    for each in sorted(known, key=lambda each: each.sqnr_db or 0.0)[:_WORST]:
        most = math.log1p(max(each.histogram))
        bars = "".join(_BARS[math.ceil(math.log1p(count) / most * (len(_BARS) - 1))] for count in each.histogram)
        inside = slice(MARGIN_BINS, MARGIN_BINS + BINS)
        lines.append(f"{bars[:MARGIN_BINS]}|{bars[inside]}|{bars[inside.stop :]}  {short_name(each.name, model)}")
    return lines


def diagnosis_notes(diagnosis: Diagnosis, found: Found) -> list[str]:
    """What a reader must know."""
    notes = []
    if diagnosis.shipped_logits_db is not None:
        precise = diagnosis.precise_logits_db
        beside = "" if precise is None else f"; precise: {_decibel(precise)} dB"
        notes.append(
            f"logits of the file as it is, over these digits: {_decibel(diagnosis.shipped_logits_db)} dB{beside}"
        )
    if saturates(diagnosis):
        notes.append(
            "CAUTION: on this processor sums of two 8-bit products saturate in ONNX Runtime's kernels, as it has no"
            " VNNI instructions: precise says what is lost. reduce_range or uint8 weights avoid it, and so does the"
            " session option session.x64quantprecision = 1, at a cost in speed."
        )
    if is_hidden(diagnosis):
        notes.append(
            "CAUTION: with activations visible the runtime runs other kernels, which are right where those of the file"
            " as it is are not: the table does not show where they go wrong."
        )
    kernels = {each.kernels for each in diagnosis.tensors if each.role == "activation"}
    if "simulated" in kernels:
        where = "the interpreter's own kernels, not XNNPACK" if found.artifact.format == "tflite" else "other kernels"
        notes.append(f"activations were seen on {where}: the shipped ones do not show what is between their operators")
    elif "shipped" in kernels:
        notes.append("activations were seen on the kernels that really run")
    if diagnosis.missing:
        notes.append(f"without a counterpart in the float32 model: {', '.join(diagnosis.missing)}")
    notes.append(f"over {diagnosis.samples:,} test digits. {_LEGEND}")
    return notes
