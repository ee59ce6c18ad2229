"""Scoring answers: the task, the reference that they are compared with, and what is too far from it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, Quantization
from crossrt.core.evaluation import Evaluation
from crossrt.core.processor import has_vnni
from crossrt.datasets.tasks.outputs import match_answers
from crossrt.datasets.tasks.protocol import Task
from crossrt.harness.evaluate.answers import Outputs
from crossrt.harness.evaluate.repeating import Unrepeated
from crossrt.reports.statistics.estimates import CONFIDENCE
from crossrt.reports.statistics.paired import PairedChange, paired_change
from crossrt.runtimes.registry import selector_of

LEAST_AGREEMENT: Final = 0.9
"""A quantized file that was not trained and agrees on fewer samples is another model, whatever its accuracy."""

LARGE_DIFFERENCE: Final = 0.25
"""Of `||x - x'|| / ||x||`: what 8 bits do to an output is far below it, and 12 dB is hardly the same signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What answers are compared with.

    Attributes:
        outputs: Its outputs by name, `(samples, ...)`.
        description: What it is, in words.
        repeats: Whether it gives the same samples the same answers again.
    """

    outputs: Outputs
    description: str
    repeats: bool = True


class Judge:
    """Scores answers by one task against one reference."""

    def __init__(self, task: Task, labels: NDArray[Any] | None, reference: Reference) -> None:
        self.task, self._labels, self.reference = task, labels, reference

    def evaluate(self, outputs: Outputs, artifact: ModelArtifact) -> Evaluation:
        """Scores what an artifact answered.

        Raises:
            DataError: Its outputs are not those of the reference.
        """
        match = match_answers(self.reference.outputs, outputs)
        names = match.names
        renamed = {ours: outputs[theirs] for ours, theirs in names.items()}
        steps = steps_of(artifact)
        known = {ours: steps[theirs] for ours, theirs in names.items() if theirs in steps}
        compared = {name: self.reference.outputs[name] for name in renamed}
        evaluation = self.task.evaluate(renamed, self._labels, compared, known)
        return msgspec.structs.replace(evaluation, notes=(*evaluation.notes, *match.notes))

    def first(self, samples: int) -> Judge:
        """The same for answers to the first samples alone."""
        outputs = {name: values[:samples] for name, values in self.reference.outputs.items()}
        labels = None if self._labels is None else self._labels[:samples]
        return Judge(self.task, labels, replace(self.reference, outputs=outputs))

    def accuracy_change(self, evaluation: Evaluation) -> PairedChange | None:
        """How the share of right answers changes from the reference's, sample by sample; None without labels."""
        metric = self.task.metrics[0]
        if self._labels is None or evaluation.predictions is None or metric.paired_test != "mcnemar":
            return None
        return paired_change(self._own, evaluation, metric, (1 - CONFIDENCE) / 2)

    def problem(
        self,
        evaluation: Evaluation,
        minimum: float,
        artifact: ModelArtifact,
        own: Unrepeated | None = None,
        *,
        runtime: str | None = None,
    ) -> str | None:
        """Why answers are no result, or None: see `agreement_problem`."""
        change, repeats = self.accuracy_change(evaluation), self.reference.repeats
        return agreement_problem(evaluation, minimum, artifact, change, repeats=repeats, own=own, runtime=runtime)

    @cached_property
    def _own(self) -> Evaluation:
        """The reference's own score."""
        return self.task.evaluate(self.reference.outputs, self._labels, None, {})


def steps_of(artifact: ModelArtifact) -> Mapping[str, float]:
    """Scale of the integers behind each output that comes from integers."""
    found = {spec.name: spec.step if spec.scale is None else spec.scale for spec in artifact.outputs}
    return {name: step for name, step in found.items() if step is not None}


def agreement_problem(
    evaluation: Evaluation,
    minimum: float,
    artifact: ModelArtifact,
    change: PairedChange | None = None,
    *,
    repeats: bool = True,
    own: Unrepeated | None = None,
    runtime: str | None = None,
) -> str | None:
    """Why answers are too far from the reference's to be a result, or None where they are near enough.

    Classes must agree, and so must the outputs of a float file. Where labels are known, classes of a quantized file may
    differ as long as accuracy does not suffer: see `_keeps_accuracy`. An agreement below `LEAST_AGREEMENT` always
    counts, except for a file that was trained: that may answer better than the reference, and so in another way, and
    accuracy alone judges it. Outputs of a quantized file that are no classes differ by their quantization; they are
    wrong where the difference is larger than the output itself.

    Args:
        evaluation: The answers.
        minimum: The share of samples that have to be answered like the reference.
        artifact: The file.
        change: How accuracy changed, where labels are known.
        repeats: Whether the reference repeats its own answers; else nothing about the file is likely the cause.
        own: How the file itself answers differently again, where it does: that is the cause.
        runtime: Name of the runtime that gave the answers, where that is known.
    """
    quantization = artifact.quantization
    cause = _cause(quantization, runtime) if own is None else f". Cause: {own.cause()}"
    cause = cause if repeats else "; the reference does not repeat its own answers either"
    agreement = evaluation.values.get("agreement")
    is_strict = evaluation.predictions is not None or artifact.role == "float"
    if is_strict and agreement is not None and agreement < minimum:
        is_near = agreement >= LEAST_AGREEMENT or artifact.training is not None
        by_accuracy = change if quantization is not None and is_near else None
        if by_accuracy is not None and _keeps_accuracy(by_accuracy, minimum):
            return None
        rule = _rule(minimum, change, by_accuracy)
        return f"answers {agreement:.2%} of the samples like the reference; {rule}{cause}"
    for each in evaluation.outputs if artifact.training is None or change is None else ():
        if each.relative is not None and each.relative >= 1:
            return (
                f"the output {each.output} differs from the reference's by {each.relative:.3g} times its own"
                f" size{cause}"
            )
    return None


def _cause(quantization: Quantization | None, runtime: str | None) -> str:
    if quantization is None:
        return ""
    causes = [*_of_runtime(quantization, runtime), *quantization.known_issues, *saturation(quantization)]
    return f". Likely cause: {'; '.join(causes)}" if causes else ""


def _of_runtime(quantization: Quantization, runtime: str | None) -> list[str]:
    if (
        runtime is not None
        and selector_of(runtime).name == "openvino"
        and quantization.activation_type in ("int16", "uint16")
    ):
        return ["OpenVINO computes wrongly with activations of 16 bits: quantize them to 8, or use another runtime"]
    return []


def _keeps_accuracy(change: PairedChange, minimum: float) -> bool:
    """True unless accuracy falls by more than the share that may disagree, and not by chance alone.

    Chance alone means that the interval of the paired change holds 0.
    """
    return not (change.change < minimum - 1 and change.upper < 0)


def _rule(minimum: float, change: PairedChange | None, by_accuracy: PairedChange | None) -> str:
    """The rule that was broken: by how much accuracy may fall where that judges a file, else how many must agree."""
    loss = "" if change is None else f"; accuracy changes by {_points(change)}"
    if by_accuracy is not None:
        most = f"{100 * (1 - minimum):.2f} pp"
        return f"fewer than --min-agreement {minimum:.2%} pass only where accuracy falls by at most {most}{loss}"
    return f"--min-agreement asks for {minimum:.2%}{loss}"


def _points(change: PairedChange) -> str:
    return f"{100 * change.change:+z.2f} pp [{100 * change.lower:+z.2f}, {100 * change.upper:+z.2f}]"


def difference_caution(evaluation: Evaluation) -> str | None:
    """What must be said of outputs that are far from the reference's where nothing else judges them, or None."""
    if evaluation.task != "agreement" or evaluation.predictions is not None:
        return None
    found = [each for each in evaluation.outputs if each.relative is not None and each.relative >= LARGE_DIFFERENCE]
    if not found:
        return None
    worst = max(found, key=lambda each: each.relative or 0.0)
    return (
        f"the output {worst.output} differs from the reference's by {worst.relative:.0%} of its own size; give --data"
        " with labels and --task to judge whether that matters"
    )


def saturation(quantization: Quantization) -> list[str]:
    """What a processor without VNNI instructions does to ONNX Runtime's products of 8-bit numbers."""
    is_affected = quantization.representation in ("qdq", "qoperator") and quantization.weight_type == "int8"
    if not is_affected or quantization.reduce_range or platform.machine() != "x86_64" or has_vnni():
        return []
    return [
        "this processor has no VNNI instructions, so sums of two 8-bit products may saturate: set reduce_range, or make"
        " the weights uint8"
    ]
