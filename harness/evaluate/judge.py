"""Scoring answers: the task, the reference that they are compared with, and what is too far from it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, Quantization
from crossrt.core.evaluation import Evaluation
from crossrt.datasets.tasks.outputs import match_answers
from crossrt.datasets.tasks.protocol import Task
from crossrt.harness.environment import has_vnni
from crossrt.harness.evaluate.answers import Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What answers are compared with.

    Attributes:
        outputs: Its outputs by name, `(samples, ...)`.
        description: What it is, in words.
    """

    outputs: Outputs
    description: str


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


def steps_of(artifact: ModelArtifact) -> Mapping[str, float]:
    """Scale of the integers behind each output that comes from integers."""
    found = {spec.name: spec.step if spec.scale is None else spec.scale for spec in artifact.outputs}
    return {name: step for name, step in found.items() if step is not None}


def agreement_problem(evaluation: Evaluation, minimum: float, artifact: ModelArtifact) -> str | None:
    """Why answers are too far from the reference's to be a result, or None where they are near enough.

    Classes must agree, and so must the outputs of a float file. Outputs of a quantized file that are no classes differ
    by their quantization; they are wrong where the difference is larger than the output itself.
    """
    quantization = artifact.quantization
    causes = "; ".join([*quantization.known_issues, *saturation(quantization)]) if quantization else ""
    cause = f". Likely cause: {causes}" if causes else ""
    agreement = evaluation.values.get("agreement")
    is_strict = evaluation.predictions is not None or artifact.role == "float"
    if is_strict and agreement is not None and agreement < minimum:
        return (
            f"answers {agreement:.2%} of the samples like the reference; --min-agreement asks for {minimum:.2%}{cause}"
        )
    for each in evaluation.outputs:
        if each.relative is not None and each.relative >= 1:
            return (
                f"the output {each.output} differs from the reference's by {each.relative:.3g} times its own"
                f" size{cause}"
            )
    return None


def saturation(quantization: Quantization) -> list[str]:
    """What a processor without VNNI instructions does to ONNX Runtime's products of 8-bit numbers."""
    is_affected = quantization.representation in ("qdq", "qoperator") and quantization.weight_type == "int8"
    if not is_affected or quantization.reduce_range or platform.machine() != "x86_64" or has_vnni():
        return []
    return [
        "this processor has no VNNI instructions, so sums of two 8-bit products may saturate: set reduce_range, or make"
        " the weights uint8"
    ]
