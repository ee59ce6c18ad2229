"""Checking answers: the reference first, then every case against it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from crossrt.core.errors import DataError
from crossrt.core.tensor import described
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import check_comparable, read_reference
from crossrt.harness.evaluate.assess import Assessor, Tried, failed
from crossrt.harness.evaluate.distances import case_outputs, first_cases, measure_distances
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.judge import difference_caution
from crossrt.harness.evaluate.run_data import CHUNK_BYTES, KEPT_BYTES, bytes_of
from crossrt.harness.measure.case import Case
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.run.in_time import TimeLimit
from crossrt.harness.run.reference import (
    answer_unselected,
    does_repeat,
    reference_order,
    say_uncompared,
    take_reference,
    without_float,
)
from crossrt.harness.run.run_state import RunState
from crossrt.reports.statistics.divergence import CaseOutputs
from crossrt.reports.text.labels import reference_name
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import selector_of

MOST_PREVIEWED: Final = 8
"""Cases for which a first rough latency is told while the run goes on."""

FEWEST_SAMPLES: Final = 64
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
        first = min(cases, key=reference_order(state))
        repeats = does_repeat(state, first, None if state.project.is_bundled else assessor.unrepeated(first), display)
        take_reference(state, outputs, f"the source model {found.reference.model}", display, repeats=repeats)
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
    """Where files are run as they are, the first that answers is the reference; the other cases are returned.

    A float model that `--only` leaves out is the reference all the same: it answers, and is not timed.
    """
    if answer_unselected(state, cases, assessor, display):
        return list(cases)
    left = sorted(cases, key=reference_order(state))
    while left:
        case = left.pop(0)
        tried = assessor.assess(case, None, keeps=True)
        if tried.answers is None:
            _keep(state, case, tried, answers, display)
            continue
        check_comparable(tried.answers.outputs, tried.answers.problems)
        again = None if state.project.is_bundled else assessor.unrepeated(case, tried.answers.outputs)
        repeats = does_repeat(state, case, again, display)
        name = reference_name(case.label, case.runtime)
        if missing := without_float(state, case, name):
            state.cautions.append(missing)
            display.remark(f"  CAUTION: {missing}")
        take_reference(state, tried.answers.outputs, name, display, repeats=repeats)
        judge = state.judge
        assert judge is not None
        say_uncompared(tried.answers, display)
        other = tried if repeats else assessor.assess(case, None, keeps=True)  # agreement is then that with itself
        own = other.answers or tried.answers
        evaluation = judge.evaluate(own.outputs, state.artifacts[case.artifact_id])
        assessment = tried.assessment.scored(evaluation)
        _keep(state, case, Tried(assessment=assessment, answers=own), answers, display)
        break
    return [case for case in cases if case in left]


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
