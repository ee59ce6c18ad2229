"""Checking answers: the reference first, then every case against it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from crossrt.core.errors import DataError
from crossrt.core.tensor import described
from crossrt.datasets.classes import classes_of
from crossrt.datasets.tasks.choosing import chance_caution, check_class_names
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import Outputs, read_reference
from crossrt.harness.evaluate.assess import Assessor, Tried, failed
from crossrt.harness.evaluate.distances import case_outputs, first_cases, measure_distances
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.evaluate.judge import Judge, Reference, difference_caution
from crossrt.harness.evaluate.repeating import Unrepeated
from crossrt.harness.evaluate.run_data import CHUNK_BYTES, KEPT_BYTES, bytes_of
from crossrt.harness.measure.case import Case
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.run.in_time import TimeLimit
from crossrt.harness.run.prepare import naming_origin
from crossrt.harness.run.run_state import RunState
from crossrt.reports.statistics.divergence import CaseOutputs
from crossrt.reports.text.labels import reference_name
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import selector_of

MOST_PREVIEWED: Final = 8
"""Cases for which a first rough latency is told while the run goes on."""

FEWEST_SAMPLES: Final = 64
_CHUNK: Final = 4096
_MOST_TRIED: Final = 16
"""Random samples that are drawn to see how long one takes."""
_DRAWING_SHARE: Final = 0.25
"""Share of the time for answering that drawing random inputs may take."""


def check_answers(
    state: RunState,
    found: Artifacts,
    display: Display,
    *,
    compares_pairs: bool = True,
    limit: TimeLimit | None = None,
) -> None:
    """Fills in how every case answers, and how far each two are apart; what fails is an assessment.

    Args:
        state: Takes what is found.
        found: The files, and the reference's answers where there are some.
        display: Follows.
        compares_pairs: Whether it is also told how far each two cases are apart.
        limit: Leaves out what there is no time to measure; None for no limit.

    Raises:
        DataError: Labels do not fit the task, or the task does not fit the outputs.
    """
    cases = _fed(state)
    if not cases:
        return
    display.phase("checking answers", len(cases))
    _limit_samples(state, cases, display)
    assessor = Assessor(state.artifacts, state.feedings, state.data, state.settings, is_random=state.project.is_random)
    kept = first_cases(cases) if compares_pairs else frozenset()
    answers: list[CaseOutputs] = []
    if found.reference is not None:
        outputs = read_reference(found.reference, state.data.samples)
        first = min(cases, key=_reference_order(state))
        repeats = _repeats(state, first, None if state.project.is_bundled else assessor.unrepeated(first), display)
        _take_reference(state, outputs, f"the source model {found.reference.model}", display, repeats=repeats)
    else:
        cases = _answer_first(state, cases, assessor, answers, display)
    for group in limit.affordable(cases, display) if limit is not None else [cases]:
        for case, tried in assessor.assess_all(group, state.judge, kept):
            _keep(state, case, tried, answers, display)
    state.cautions += [f"{item}: {caution}" for item, caution in difference_cautions(state).items()]
    state.warnings = list(dict.fromkeys((*state.warnings, *state.data.warnings)))  # all samples were read by now
    order = {case.id: place for place, case in enumerate(state.cases)}
    answers.sort(key=lambda each: order[each.case])
    state.distances = measure_distances(answers)


def difference_cautions(state: RunState) -> dict[str, str]:
    """What must be said of files whose outputs are far from the reference's, with nothing to judge it by: by file."""
    found: dict[str, str] = {}
    for case in state.cases:
        assessment = state.assessments.get(case.id)
        if assessment is None or assessment.status != "ok" or assessment.evaluation is None:
            continue
        if (caution := difference_caution(assessment.evaluation)) is not None:
            found.setdefault(case.artifact_id, caution)
    return found


def _fed(state: RunState) -> list[Case]:
    """Cases that were not set aside, each with what feeds its artifact; one that the data do not fit is failed."""
    cases = []
    for case in (each for each in state.cases if each.id not in state.assessments):
        try:
            if case.artifact_id not in state.feedings:
                artifact = state.artifacts[case.artifact_id]
                asked = state.settings.subject.dimensions
                state.feedings[case.artifact_id] = feeding_of(artifact, state.data.dataset, asked)
            cases.append(case)
        except DataError as error:
            said = f"{error}{_other_signature(state, case)}"
            state.assessments[case.id] = failed(ChildFailedError(said, ""))
    return cases


def _other_signature(state: RunState, case: Case) -> str:
    """Both signatures, where files are run side by side and a data set cannot feed them both."""
    theirs, first = state.artifacts[case.artifact_id].inputs, state.project.inputs
    if theirs == first:
        return ""
    return (
        f"; the first model takes {', '.join(map(described, first))}, and this one {', '.join(map(described, theirs))}:"
        " files that are run side by side take the same data"
    )


def _limit_samples(state: RunState, cases: Sequence[Case], display: Display) -> None:
    """Cuts the data set where answering all of it would take more than its share of the time."""
    settings, data = state.settings, state.data
    is_asked = settings.subject.samples is not None and not state.project.is_random
    if state.project.is_bundled or is_asked or data.samples <= FEWEST_SAMPLES:
        return
    if state.project.is_random:
        _limit_random(state, cases, display)
    first = min(cases, key=lambda case: (not case.is_timed, case.subject != state.baseline))
    call_ns = Assessor(state.artifacts, state.feedings, data, settings).try_out(first)
    if call_ns is None:
        return
    budget_s = state.settings.answering_s
    per_sample_s = sum(call_ns / 1e9 / case.scenario.batch_size for case in cases) / len(usable_cpus())
    affordable = max(FEWEST_SAMPLES, int(budget_s / per_sample_s))
    if affordable < data.samples:
        allows = "--time allows more" if settings.subject.samples is not None else "--samples or --time allow more"
        display.remark(
            f"  to fit the time: the first {affordable:,} of {data.samples:,} samples are answered; {allows}"
        )
        data.limited(affordable)


def _not_timed(case: Case) -> str:
    name = selector_of(case.runtime).name
    return f"answers only: not timed by default (crossrt runtimes {name} shows how to time it)"


def _limit_random(state: RunState, cases: Sequence[Case], display: Display) -> None:
    """Draws no more random samples than there is time and room for: one is as good as another."""
    data = state.data
    drawn = max(1, min(_MOST_TRIED, CHUNK_BYTES // data.sample_bytes))
    began = time.perf_counter()
    data.dataset.feeds(range(drawn))
    draw_s = (time.perf_counter() - began) / drawn
    output_bytes = max(sum(map(bytes_of, state.artifacts[case.artifact_id].outputs)) for case in cases)
    fitting = min(_DRAWING_SHARE * state.settings.answering_s / draw_s, KEPT_BYTES / (data.sample_bytes + output_bytes))
    affordable = max(FEWEST_SAMPLES, int(fitting))
    if affordable < data.samples:
        display.remark(
            f"  to fit time and memory: {affordable:,} random samples are drawn in place of {data.samples:,}"
        )
        data.limited(affordable)


def _answer_first(
    state: RunState, cases: Sequence[Case], assessor: Assessor, answers: list[CaseOutputs], display: Display
) -> list[Case]:
    """Where files are run as they are, the first that answers is the reference; the other cases are returned."""
    left = sorted(cases, key=_reference_order(state))
    while left:
        case = left.pop(0)
        tried = assessor.assess(case, None, keeps=True)
        if tried.answers is None:
            _keep(state, case, tried, answers, display)
            continue
        again = None if state.project.is_bundled else assessor.unrepeated(case, tried.answers.outputs)
        repeats = _repeats(state, case, again, display)
        name = reference_name(case.label, case.runtime)
        if missing := _without_float(state, case, name):
            state.cautions.append(missing)
            display.remark(f"  CAUTION: {missing}")
        _take_reference(state, tried.answers.outputs, name, display, repeats=repeats)
        judge = state.judge
        assert judge is not None
        for name, problem in tried.answers.problems.items():
            display.remark(f"  the output {name} is not compared: {problem}")
        other = tried if repeats else assessor.assess(case, None, keeps=True)  # agreement is then that with itself
        own = other.answers or tried.answers
        evaluation = judge.evaluate(own.outputs, state.artifacts[case.artifact_id])
        assessment = tried.assessment.scored(evaluation)
        _keep(state, case, Tried(assessment=assessment, answers=own), answers, display)
        break
    return [case for case in cases if case in left]


def _without_float(state: RunState, case: Case, name: str) -> str | None:
    """What must be said where `--only` left out the float model, and a quantized file is the reference in its place."""
    floats = [each.variant for each in state.project.candidates if each.role == "float"]
    if not state.settings.only or not floats or state.artifacts[case.artifact_id].role == "float":
        return None
    return (
        f"no float model is among the cases that --only selects: answers are compared with those of {name} itself, so"
        f" nothing tells what quantization cost; add --only {floats[0]}"
    )


def _reference_order(state: RunState) -> Callable[[Case], tuple[bool, int]]:
    """Files that are named side by side in their order; else float files first, for the others come from them."""
    places = {each.id: place for place, each in enumerate(state.project.candidates)}
    floats = {each.id for each in state.artifacts.values() if each.role == "float"}
    is_side_by_side = state.project.folder is None and len(state.project.given) > 1

    def order(case: Case) -> tuple[bool, int]:
        return not is_side_by_side and case.artifact_id not in floats, places.get(case.artifact_id, len(places))

    return order


def _repeats(state: RunState, case: Case, found: Unrepeated | None, display: Display) -> bool:
    """Says above everything if the reference gives other answers to the same samples."""
    if found is not None:
        caution = found.caution(reference_name(case.label, case.runtime))
        state.cautions.insert(0, caution)
        display.remark(f"  CAUTION: {caution}")
    return found is None


def _take_reference(state: RunState, outputs: Outputs, description: str, display: Display, *, repeats: bool) -> None:
    """Chooses the task by labels and the reference's outputs, and looks whether the reference itself is any good."""
    labels = state.data.labels
    if not outputs:
        raise DataError("no output of the reference can be compared over samples: each differs in shape")
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


def _keep(state: RunState, case: Case, tried: Tried, answers: list[CaseOutputs], display: Display) -> None:
    assessment = tried.assessment
    is_untimed = not case.is_timed and assessment.status == "ok"
    if is_untimed:
        assessment = dataclasses.replace(assessment, status="skipped", reason=_not_timed(case))
    state.assessments[case.id] = assessment
    if assessment.placement_note is not None:
        state.cautions.append(f"{case.subject}: {assessment.placement_note}")
    if tried.answers is not None and assessment.evaluation is not None and state.judge is not None:
        artifact = state.artifacts[case.artifact_id]
        found = case_outputs(case, artifact, tried.answers.outputs, state.judge)
        answers += [found] if found is not None else []
    if is_untimed:
        display.remark(f"  {case.id}: answers checked, not timed")
    elif assessment.status != "ok":
        display.failure(f"  {case.id}: {assessment.status}: {assessment.reason}")
    elif len(state.cases) <= MOST_PREVIEWED:
        display.remark(f"  {case.id}: about {assessment.trial_ns / 1000:,.0f} µs a call, answers checked")
    display.step(case.id)
