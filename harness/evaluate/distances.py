"""How far the answers of the cases of a run are apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.datasets.tasks.classification import Classification
from crossrt.datasets.tasks.outputs import match_answers
from crossrt.datasets.tasks.protocol import Task
from crossrt.harness.evaluate.answers import Outputs
from crossrt.harness.evaluate.judge import Judge, steps_of
from crossrt.harness.measure.case import Case
from crossrt.reports.schema.records import Distance
from crossrt.reports.statistics.divergence import CaseOutputs, ScoreKind, distances

MOST_BYTES: Final = 2**30
"""Answers larger than this in all are not compared pair by pair."""


def first_cases(cases: Sequence[Case]) -> frozenset[str]:
    """Ids of the first case of each subject: cases are planned by ascending batch size, so it has the smallest."""
    first: dict[str, str] = {}
    for case in cases:
        first.setdefault(case.subject, case.id)
    return frozenset(first.values())


def case_outputs(case: Case, artifact: ModelArtifact, outputs: Outputs, judge: Judge) -> CaseOutputs | None:
    """What a case answered, under the reference's names; None where it has other outputs."""
    try:
        names = match_answers(judge.reference.outputs, outputs).names
    except DataError:
        return None
    steps = steps_of(artifact)
    renamed = {ours: outputs[theirs] for ours, theirs in names.items()}
    scores = _scores(judge.task, judge.reference.outputs)
    return CaseOutputs(
        case=case.id,
        outputs=renamed,
        steps={ours: steps[theirs] for ours, theirs in names.items() if theirs in steps},
        scores=scores[0] if scores and scores[0] in renamed else None,
        kind=scores[1] if scores else "logits",
    )


def _scores(task: Task, reference: Outputs) -> tuple[str, ScoreKind] | None:
    """The output that holds class scores, and what they are; None for tasks without.

    The reference alone decides: a quantized output of softmax need not sum to one, and is none the less one.
    """
    if not isinstance(task, Classification):
        return None
    try:
        found = task.class_scores(reference)
    except DataError:
        return None
    return None if found.kind == "classes" else (found.output, found.kind)


def measure_distances(answers: Sequence[CaseOutputs]) -> tuple[Distance, ...]:
    """Each pair of cases whose outputs can be compared."""
    size = sum(array.nbytes for each in answers for array in each.outputs.values())
    return distances(answers) if size <= MOST_BYTES else ()
