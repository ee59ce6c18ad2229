"""A diagnosis as tables, histograms and notes."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, DiagnosedTensor, Diagnosis
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.exporters.recipes.recipe import OnnxStatic, Recipe
from crossrt.harness.analyze.diagnosis.run import is_hidden, saturates, worst_activation
from crossrt.harness.analyze.diagnosis.suggestions import NOISY_DB, is_noisy, suggestions
from crossrt.harness.analyze.diagnosis.trials import Trials, in_words, worst_sqnr
from crossrt.harness.build.subject import Found
from crossrt.reports.text.cells import Cell, Sheet, listed, unit_of
from crossrt.reports.text.tensor_names import short_name

_BARS: Final = " ▁▂▃▄▅▆▇█"
_WORST: Final = 3
_LEGEND: Final = (
    "SQNR: 10 log10(sum x² / sum (x - x')²). saturated: integers at an end of their range (a folded Relu puts its zeros"
    " there). clipped: float values beyond it. range: width of the values over the width that the integers can say."
    " *: where the ratio falls most from one activation to the next."
)


def tensor_sheet(diagnosis: Diagnosis, model: str) -> Sheet:
    """Activations in the order of the layers, then weights, worst first."""
    activations = [each for each in diagnosis.tensors if each.role == "activation"]
    weights = [each for each in diagnosis.tensors if each.role == "weight"]
    weights.sort(key=lambda each: each.sqnr_db if each.sqnr_db is not None else math.inf)
    worst = worst_activation(diagnosis)
    rows = tuple(_row(each, model, is_worst=each is worst) for each in (*activations, *weights))
    columns = ("tensor", "SQNR dB", "precise dB", "rel. error %", "cosine", "saturated %", "clipped %", "range %")
    dropped = ("cosine", "range %", "precise dB", "clipped %", "rel. error %")
    title = "Signal and noise, tensor by tensor"
    return Sheet(title=title, columns=columns, rows=rows, dropped_first=dropped).without_empty("-")


def _row(tensor: DiagnosedTensor, model: str, *, is_worst: bool) -> tuple[Cell, ...]:
    return (
        Cell(text=short_name(tensor.name, model) + ("" if tensor.role == "activation" else f" ({tensor.role})")),
        Cell(text=_decibel(tensor.sqnr_db) + "*" * is_worst, tone="bad" if is_worst else None),
        Cell(text=_decibel(tensor.precise_sqnr_db) if tensor.precise_sqnr_db is not None else "-"),
        Cell(text=f"{100 * tensor.relative_error:.2f}"),
        Cell(text=f"{tensor.cosine:.5f}"),
        Cell(text=f"{100 * tensor.saturated:.2f}"),
        Cell(text=f"{100 * tensor.clipped:.3f}"),
        Cell(text=f"{100 * tensor.range_used:.0f}"),
    )


def _decibel(value: float | None) -> str:
    return "exact" if value is None or value > 120 else f"{value:.1f}"


def trial_sheet(trials: Trials) -> Sheet:
    """What each change would bring."""
    first = trials.tried[0].evaluation
    metric = trials.metric
    rows = []
    for trial in trials.tried:
        if trial.evaluation is None or first is None:
            rows.append((Cell(text=trial.change), *[Cell(text="cannot be built")], *[Cell(text="-")] * 3))
            continue
        rows.append(
            (
                Cell(text=trial.change),
                Cell(text=_decibel(worst_sqnr(trial.evaluation))),
                Cell(text=_difference(worst_sqnr(trial.evaluation), worst_sqnr(first))),
                Cell(text=_gain(trial.evaluation, first, metric)),
                Cell(text=f"{trial.size_bytes / 1000:.1f}"),
            )
        )
    label = "" if metric is None else f"{metric.label} {'pp' if metric.unit == 'share' else unit_of(metric)}".strip()
    columns = ("change of the recipe", "outputs dB", "gain dB", label or "metric", "KB")
    return Sheet(
        title=f"Changes, tried on {trials.samples:,} samples", columns=columns, rows=tuple(rows), dropped_first=("KB",)
    )


def _gain(evaluation: Evaluation, first: Evaluation, metric: MetricDefinition | None) -> str:
    name = "" if metric is None else metric.name
    if metric is None or name not in evaluation.values or name not in first.values:
        return "-"
    change = evaluation.values[name] - first.values[name]
    return f"{100 * change:+z.2f}" if metric.unit == "share" else f"{change:+z.3g}"


def _difference(value: float | None, other: float | None) -> str:
    return "-" if value is None or other is None else f"{value - other:+z.1f}"


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


def _samples(diagnosis: Diagnosis) -> str:
    if diagnosis.available is None or diagnosis.available <= diagnosis.samples:
        return f"{diagnosis.samples:,} samples"
    return f"the first {diagnosis.samples:,} of {diagnosis.available:,} samples; --samples takes more"


def suggestion_notes(diagnosis: Diagnosis, found: Found) -> list[str]:
    """What the measurements point to, each with the figure behind it."""
    if found.artifact.format != "onnx":
        return []
    recipe = None if found.recipe is None else msgspec.convert(found.recipe, Recipe)
    suggested = suggestions(diagnosis, recipe)
    model = found.artifact.model
    notes = [
        f"suggested: {in_words(each.fields)}: {short_name(each.tensor, model)} {each.reason}" for each in suggested
    ]
    if is_noisy(diagnosis) and (suggested or isinstance(recipe, OnnxStatic)):
        notes.append(
            f"suggested: crossrt search, which finds the layers that have to stay in float: an output is below"
            f" {NOISY_DB:.0f} dB"
        )
    return notes


def diagnosis_notes(diagnosis: Diagnosis, found: Found) -> list[str]:
    """What a reader must know."""
    notes = []
    for each in diagnosis.outputs:
        precise = each.precise_sqnr_db
        beside = "" if precise is None else f"; precise: {_decibel(precise)} dB"
        notes.append(f"output {each.name} of the file as it is: {_decibel(each.sqnr_db)} dB{beside}")
    notes += [f"CAUTION: {cause}" for cause in diagnosis.causes]
    notes += suggestion_notes(diagnosis, found)
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
        notes.append(f"cannot be matched with a tensor of the float model: {listed(diagnosis.missing)}")
    notes.append(f"over {_samples(diagnosis)}. {_LEGEND}")
    return notes
