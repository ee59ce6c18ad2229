"""The reference that answers are compared with: whose answers it takes, and whether it is any good."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.datasets.classes import classes_of
from crossrt.datasets.tasks.choosing import chance_caution, check_class_names
from crossrt.harness.evaluate.answers import Answers, Outputs, check_comparable
from crossrt.harness.evaluate.assess import Assessor
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.evaluate.judge import Judge, Reference
from crossrt.harness.evaluate.repeating import Unrepeated
from crossrt.harness.measure.case import Case
from crossrt.harness.run.prepare import naming_origin
from crossrt.harness.run.run_state import RunState
from crossrt.reports.text.labels import reference_name
from crossrt.reports.text.progress import Display

_CHUNK: Final = 4096


def answer_unselected(state: RunState, cases: Sequence[Case], assessor: Assessor, display: Display) -> bool:
    """Takes the answers of a float file that `--only` leaves out as the reference; False where there is none."""
    case = _unselected_float(state, cases)
    if case is None:
        return False
    tried = assessor.assess(case, None, keeps=True)
    name = reference_name(case.label, case.runtime)
    if tried.answers is None:
        display.failure(
            f"  {name}, which --only leaves out, gives no answers to compare with: {tried.assessment.reason}"
        )
        return False
    display.remark(f"  answers are compared with those of {name}, which --only leaves out: it is not timed")
    repeats = does_repeat(state, case, assessor.unrepeated(case, tried.answers.outputs), display)
    check_comparable(tried.answers.outputs, tried.answers.problems)
    take_reference(state, tried.answers.outputs, f"the float model {name} (not timed)", display, repeats=repeats)
    say_uncompared(tried.answers, display)
    return True


def _unselected_float(state: RunState, cases: Sequence[Case]) -> Case | None:
    """The case of the float file that would be the reference if `--only` had not left it out, or None."""
    places = {each.id: place for place, each in enumerate(state.project.candidates)}
    floats = [each for each in state.artifacts.values() if each.role == "float" and each.id in places]
    if not state.settings.only or any(state.artifacts[case.artifact_id].role == "float" for case in cases):
        return None
    if _is_side_by_side(state):
        floats = [each for each in floats if places[each.id] == 0]
    for artifact in sorted(floats, key=lambda each: places[each.id]):
        alike = next((case for case in cases if case.format == artifact.format), None)
        if alike is not None and _can_be_fed(state, artifact):
            return dataclasses.replace(alike, model=artifact.model, variant=artifact.variant, names_format=False)
    return None


def _can_be_fed(state: RunState, artifact: ModelArtifact) -> bool:
    try:
        state.feedings[artifact.id] = feeding_of(artifact, state.data.dataset, state.settings.subject.dimensions)
    except DataError:
        return False
    return True


def _is_side_by_side(state: RunState) -> bool:
    return state.project.folder is None and len(state.project.given) > 1


def without_float(state: RunState, case: Case, name: str) -> str | None:
    """What must be said where `--only` left out the float model, and a quantized file is the reference in its place."""
    floats = [each.variant for each in state.project.candidates if each.role == "float"]
    if not state.settings.only or not floats or state.artifacts[case.artifact_id].role == "float":
        return None
    return (
        f"no float model is among the cases that --only selects: answers are compared with those of {name} itself, so"
        f" nothing tells what quantization cost; add --only {floats[0]}"
    )


def reference_order(state: RunState) -> Callable[[Case], tuple[bool, int]]:
    """Files that are named side by side in their order; else float files first, for the others come from them."""
    places = {each.id: place for place, each in enumerate(state.project.candidates)}
    floats = {each.id for each in state.artifacts.values() if each.role == "float"}
    is_side_by_side = _is_side_by_side(state)

    def order(case: Case) -> tuple[bool, int]:
        return not is_side_by_side and case.artifact_id not in floats, places.get(case.artifact_id, len(places))

    return order


def does_repeat(state: RunState, case: Case, found: Unrepeated | None, display: Display) -> bool:
    """Says above everything if the reference gives other answers to the same samples."""
    if found is not None:
        caution = found.caution(reference_name(case.label, case.runtime))
        state.cautions.insert(0, caution)
        display.remark(f"  CAUTION: {caution}")
    return found is None


def take_reference(state: RunState, outputs: Outputs, description: str, display: Display, *, repeats: bool) -> None:
    """Chooses the task by labels and the reference's outputs, and looks whether the reference itself is any good."""
    labels = state.data.labels
    subject = state.settings.subject
    with naming_origin("data", subject.data_origin):
        chosen = chosen_task(subject.task, labels, outputs, state.data.folder)
        task = chosen.task
        if chosen.inferred:
            display.remark(f"  {chosen.inferred}")
        task.check(outputs, labels)
        check_class_names(task, classes_of(state.data.dataset), outputs, labels)
    for missing in _missing_numbers(outputs):
        state.cautions.append(missing)
        display.remark(f"  CAUTION: {missing}")
    state.judge = Judge(task, labels, Reference(outputs=outputs, description=description, repeats=repeats))
    if labels is not None and not state.project.is_random:
        caution = chance_caution(task, task.evaluate(outputs, labels, None, {}), labels)
        if caution is not None:
            state.cautions.append(caution)
            display.remark(f"  CAUTION: {caution}")


def say_uncompared(answers: Answers, display: Display) -> None:
    """Says which outputs of the reference no other case's are compared with."""
    for name, problem in answers.problems.items():
        display.remark(f"  the output {name} is not compared: {problem}")


def _missing_numbers(outputs: Outputs) -> Iterator[str]:
    """Outputs of the reference that hold NaN: an argmax finds a class in them all the same."""
    for name, values in outputs.items():
        if values.dtype.kind != "f":
            continue
        parts = (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
        found = sum(int(np.isnan(part.reshape(len(part), -1)).any(axis=1).sum()) for part in parts)
        if found:
            yield (
                f"the reference's output {name} holds NaN in {found:,} of {len(values):,} samples: agreement and"
                " accuracy mean nothing there; look at the model's weights and at the data"
            )
