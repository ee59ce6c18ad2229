"""How far the answers of the cases of a run are apart from each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.datasets.tasks.closeness import output_errors
from crossrt.datasets.tasks.divergence import divergence
from crossrt.datasets.tasks.outputs import match_outputs
from crossrt.harness.evaluate.answers import Outputs
from crossrt.harness.evaluate.judge import specs_of, steps_of
from crossrt.harness.measure.case import Case
from crossrt.reports.schema.records import Distance

MOST_BYTES: Final = 256 * 2**20
"""Answers larger than this in all are not compared pair by pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAnswers:
    """What a case answered, and how that was scored."""

    case: Case
    artifact: ModelArtifact
    outputs: Outputs
    evaluation: Evaluation


def first_cases(cases: Sequence[Case]) -> frozenset[str]:
    """Ids of the first case of each subject: cases are planned by ascending batch size, so it has the smallest."""
    first: dict[str, str] = {}
    for case in cases:
        first.setdefault(case.subject, case.id)
    return frozenset(first.values())


def measure_distances(answers: Sequence[CaseAnswers]) -> tuple[Distance, ...]:
    """Each pair of cases whose outputs can be compared."""
    if sum(array.nbytes for each in answers for array in each.outputs.values()) > MOST_BYTES:
        return ()
    return tuple(_distances(answers))


def _distances(answers: Sequence[CaseAnswers]) -> Iterator[Distance]:
    for one, other in itertools.combinations(answers, 2):
        try:
            names = match_outputs(specs_of(one.outputs), specs_of(other.outputs))
        except DataError:
            continue
        theirs = {ours: other.outputs[name] for ours, name in names.items()}
        yield _distance(one, other, {name: one.outputs[name] for name in theirs}, theirs, names)


def _distance(
    one: CaseAnswers, other: CaseAnswers, ours: Outputs, theirs: Outputs, names: Mapping[str, str]
) -> Distance:
    own, foreign = steps_of(one.artifact), steps_of(other.artifact)
    steps = {
        name: max(own.get(name, 0.0), foreign.get(names[name], 0.0))
        for name in ours
        if name in own or names[name] in foreign
    }
    errors = output_errors(theirs, ours, steps)
    relative = [each.relative for each in errors if each.relative is not None]
    most_steps = [each.max_steps for each in errors if each.max_steps is not None]
    has_classes = one.evaluation.predictions is not None and other.evaluation.predictions is not None
    kl = divergence(ours, theirs) if has_classes else None
    return Distance(
        one=one.case.id,
        other=other.case.id,
        agreement=_agreement(one.evaluation, other.evaluation),
        relative=max(relative, default=None),
        kl_nats=kl[0] if kl else None,
        kl_back_nats=kl[1] if kl else None,
        max_steps=max(most_steps, default=None),
    )


def _agreement(one: Evaluation, other: Evaluation) -> float | None:
    if one.predictions is None or other.predictions is None:
        return None
    return float(np.mean(one.predictions.unpack() == other.predictions.unpack()))
