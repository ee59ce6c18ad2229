"""Everything before the first round of an A/B comparison: the cases, their files, their answers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.exporters.variants import main_variants
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.project import Project
from crossrt.harness.environment import read_environment
from crossrt.harness.errors import ArmFailedError, HarnessError
from crossrt.harness.evaluate.assess import Assessment, Assessor
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.duel.arms import Side, case_of, check_alike, is_named, parse_side
from crossrt.harness.measure.duel.match import Arm, Match
from crossrt.harness.measure.effort import Cost, calls_for, round_s, with_fewer_blocks
from crossrt.harness.measure.overtime import say_long_rounds
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.settings import DUEL_EFFORT, BenchSettings, DuelSettings, Effort
from crossrt.harness.process.probe import (
    RuntimeInfo,
    check_formats,
    named_runtimes,
    names_versions,
    probe_runtimes,
    stated_formats,
)
from crossrt.harness.process.pythons.foreign import ForeignPython, open_python
from crossrt.harness.run.bench import batch_sizes_of
from crossrt.harness.run.check import check_answers
from crossrt.harness.run.prepare import Opened, artifacts_for, open_project
from crossrt.harness.run.run_state import RunState, new_run_id
from crossrt.reports.text.progress import Display
from crossrt.reports.verdicts.duel import FEWEST_ROUNDS
from crossrt.runtimes.registry import default_runtime_names, selector_of

LARGEST_COPIED_BYTES = 32 * 2**20
MOST_SAMPLES = 2_000
"""Samples that each side answers before it is timed, at most, where the user names no number."""


def prepare(settings: DuelSettings, command: Sequence[str], folder: Path, display: Display) -> Match:
    """Finds the two cases and checks their answers.

    Raises:
        CrossrtError: Nothing can be run as asked, a side fails, or a model, data or artifacts cannot be used.
    """
    sides = (parse_side(settings.a), parse_side(settings.b))
    run = with_files(settings.run, sides)
    python = open_python(settings.python_b, folder) if settings.python_b else None
    if python is not None and sides[1].runtime is not None and selector_of(sides[1].runtime).version is not None:
        raise HarnessError(f"{sides[1].text!r} names a version and --python-b another environment: leave one out")
    named = _runtimes_of(sides)
    probed = functools.cache(lambda: probe_runtimes(named, run.limits, display.remark))
    if is_installed := not names_versions(named):  # else models and data come first: an environment takes minutes
        probed()
    opened = open_project(run.subject, folder)
    if not is_installed:
        _check_sides(sides, opened)
    runtimes = probed()
    _say_what_is_cut(settings.run, opened, display)
    run = dataclasses.replace(run, batch_sizes=batch_sizes_of(run, opened.project))
    cases = _cases(sides, opened, runtimes, run)
    check_alike(*cases)
    _check_usable(cases if python is None else cases[:1], runtimes)
    found = artifacts_for(cases, _without_problems(runtimes, cases), opened, run.subject, display)
    for case in cases:
        if case.artifact_id in found.problems:
            raise ArmFailedError(f"{case.artifact_id}: {found.problems[case.artifact_id].reason}")
    state = _begin(run, command, runtimes, cases, opened, found, display)
    assessments = _assess(state, cases, sides, found, python, display)
    calls = calls_for(sum(each.trial_ns for each in assessments) // 2, DUEL_EFFORT.block_target_ns)
    a, b = (
        _arm(state, label, case, assessment, calls)
        for label, case, assessment in zip("AB", cases, assessments, strict=True)
    )
    arms = (a, dataclasses.replace(b, python=python or b.python))
    _fit(state, arms, settings.budget_s, display)
    return Match(settings=settings, state=state, arms=arms)


def _fit(state: RunState, arms: Sequence[Arm], budget_s: float, display: Display) -> None:
    """Gives up blocks where the fewest rounds would take longer than there is time for."""
    costs = [(each, _cost(arm.assessment)) for arm in arms for each in arm.participants()]
    state.effort = with_fewer_blocks(state.effort, costs, FEWEST_ROUNDS, budget_s)
    state.settings = dataclasses.replace(state.settings, effort=state.effort)
    say_long_rounds(FEWEST_ROUNDS, round_s(state.effort, costs), budget_s, [each for each, _ in costs], display)


def check_unmeasured(settings: DuelSettings, folder: Path) -> None:
    """Looks at models, data and formats of an A/B comparison; nothing is built or installed.

    Raises:
        CrossrtError: One of them cannot be used.
    """
    sides = (parse_side(settings.a), parse_side(settings.b))
    named_runtimes(_runtimes_of(sides))
    _check_sides(sides, open_project(with_files(settings.run, sides).subject, folder))


def _check_sides(sides: Sequence[Side], opened: Opened) -> None:
    """Whether the runtime of each side may read any of its files."""
    project = opened.project
    for side, other in (sides, reversed(sides)):
        if side.runtime is not None:
            paths = paths_of(project, side, other)
            files = [each.format for each in project.candidates if is_named(side, each, paths)]
            if not files:
                reads = stated_formats(selector_of(side.runtime))
                fitting = (each.variant for each in project.candidates if each.format in reads)
                known = ", ".join(f"{each}@{side.runtime}" for each in dict.fromkeys(fitting))
                raise HarnessError(f"there is no case {side.text!r}; available: {known or 'none'}")
            check_formats([side.runtime], files)


def _say_what_is_cut(run: BenchSettings, opened: Opened, display: Display) -> None:
    available = len(opened.data.dataset)
    if run.subject.samples is None and available > opened.data.samples:
        display.remark(
            f"  answers are compared on the first {opened.data.samples:,} of {available:,} samples;"
            " --samples takes more"
        )


def with_files(run: BenchSettings, sides: Sequence[Side]) -> BenchSettings:
    """The files that sides name are the models of the run."""
    paths = tuple(dict.fromkeys(side.path for side in sides if side.path is not None))
    subject = run.subject
    if paths and len(sides) != sum(side.path is not None for side in sides):
        raise HarnessError(
            "A is a file and B is a case, or the other way round: name two files, or two cases of one model, such as"
            " crossrt duel fp32@ort-cpu int8-qdq@ort-cpu --model FILE; crossrt export MODEL --out DIR writes cases as"
            " files"
        )
    if paths and subject.models:
        raise HarnessError("the sides name files: leave out --model")
    if subject.calibration_origin is not None and not any(map(may_be_calibrated, sides)):
        subject = dataclasses.replace(subject, calibration=None, calibration_origin=None)
    samples = subject.samples or MOST_SAMPLES
    return dataclasses.replace(
        run, subject=dataclasses.replace(subject, models=paths or subject.models, samples=samples)
    )


def may_be_calibrated(side: Side) -> bool:
    """Whether a side may be a variant that is calibrated: where none is, data of a configuration stay closed.

    Files are run as they are, or exported in float.
    """
    if side.path is not None:
        return False
    named = [
        each
        for each in main_variants()
        if side.name in (each.name, each.item) or side.name.endswith((f".{each.name}", f".{each.item}"))
    ]
    return not named or any(each.needs_calibration for each in named)


def _runtimes_of(sides: Sequence[Side]) -> list[str]:
    """The runtimes that sides name, and those that are meant where one names none."""
    named = [side.runtime for side in sides if side.runtime is not None]
    return list(dict.fromkeys(named if len(named) == len(sides) else (*default_runtime_names(), *named)))


def _cases(
    sides: Sequence[Side], opened: Opened, runtimes: Sequence[RuntimeInfo], run: BenchSettings
) -> tuple[Case, Case]:
    candidates = opened.project.candidates
    a, b = sides
    return (
        case_of(a, candidates, paths_of(opened.project, a, b), runtimes, run),
        case_of(b, candidates, paths_of(opened.project, b, a), runtimes, run),
    )


def paths_of(project: Project, side: Side, other: Side) -> dict[str, Path]:
    """The files that a side may name, by id: those that are run as they are, and what a Keras model is exported to.

    That is the format of the other side's file, unless the side names a runtime.
    """
    paths = {each.id: each.path for each in project.given}
    if project.source is None or side.path is None or Path(project.source.path) != side.path:
        return paths
    formats = {each.format for each in project.given if each.path == other.path}
    exported = [each for each in project.variants if each.recipe is None]
    fitting = [each for each in exported if side.runtime is not None or not formats or each.format in formats]
    return {**paths, **{f"{project.model}.{each.item}": side.path for each in fitting}}


def _check_usable(cases: Sequence[Case], runtimes: Sequence[RuntimeInfo]) -> None:
    problems = {runtime.name: runtime.problem for runtime in runtimes if runtime.problem}
    for case in cases:
        if case.runtime in problems:
            raise HarnessError(f"{case.runtime} cannot be used: {problems[case.runtime]}")


def _without_problems(runtimes: Sequence[RuntimeInfo], cases: Sequence[Case]) -> list[RuntimeInfo]:
    """The runtimes of the sides; one that another Python has need not be here."""
    named = {case.runtime for case in cases}
    return [dataclasses.replace(each, problem=None) for each in runtimes if each.name in named]


def _begin(
    run: BenchSettings,
    command: Sequence[str],
    runtimes: Sequence[RuntimeInfo],
    cases: Sequence[Case],
    opened: Opened,
    found: Artifacts,
    display: Display,
) -> RunState:
    now = datetime.now(UTC)
    used = [runtime for runtime in runtimes if runtime.name in {case.runtime for case in cases}]
    effort = _effort([found.artifacts[case.artifact_id] for case in cases])
    return RunState(
        id=new_run_id(now),
        started_at=now,
        settings=dataclasses.replace(run, effort=effort),
        command=command,
        environment=read_environment(used, cases[0].scenario.threads, display.remark),
        project=opened.project,
        data=opened.data,
        baseline=cases[0].subject,
        cases=list(dict.fromkeys(cases)),
        artifacts=found.artifacts,
        effort=effort,
        cautions=list(opened.cautions),
        warnings=opened.warnings,
    )


def _assess(
    state: RunState,
    cases: Sequence[Case],
    sides: Sequence[Side],
    found: Artifacts,
    python: ForeignPython | None,
    display: Display,
) -> list[Assessment]:
    """Checks the answers of both sides; those of B in its own Python."""
    check_answers(state, found, display)
    assessments = [state.assessments[case.id] for case in cases]
    if python is not None:
        assessor = Assessor(
            state.artifacts, state.feedings, state.data, state.settings, python, is_random=state.project.is_random
        )
        assessments[1] = assessor.assess(cases[1], state.judge, keeps=False).assessment
    wrong = []
    for label, case, side, assessment in zip("AB", cases, sides, assessments, strict=True):
        if assessment.status != "ok":
            where = f" with {python.path}" if python and label == "B" else ""
            name = side.text if side.runtime is not None else f"{side.text} on {case.runtime}"
            wrong.append(f"{label} ({name}{where}) {assessment.status}: {assessment.reason}")
    if wrong:
        statuses = {each.status for each in assessments}
        error = ArmFailedError if "failed" in statuses else HarnessError
        raise error("; ".join(wrong) + _one_network(state, cases, assessments))
    return assessments


def _one_network(state: RunState, cases: Sequence[Case], assessments: Sequence[Assessment]) -> str:
    """What to do where the sides answer differently, which files of different networks do; else nothing."""
    has_other_answers = any(each.status == "failed" and each.evaluation is not None for each in assessments)
    if state.judge is None or not has_other_answers or len({case.artifact_id for case in cases}) == 1:
        return ""
    return (
        f". The reference is {state.judge.reference.description}: a ratio of times says something where both sides are"
        " the same network. Name files of one model, or measure different ones with crossrt bench, one by one"
    )


def _arm(state: RunState, label: str, case: Case, assessment: Assessment, calls: int) -> Arm:
    feeding = state.feedings[case.artifact_id]
    prepared = Prepared(
        case=case,
        artifact=state.artifacts[case.artifact_id],
        feeding=feeding,
        inputs=feeding.inputs(state.data.first()),
        call_ns=assessment.trial_ns,
    )
    return Arm(
        prepared=prepared, python=case.python, assessment=assessment, keys=(f"{label}1", f"{label}2"), calls=calls
    )


def _cost(seen: Assessment) -> Cost:
    return Cost(call_ns=seen.trial_ns, load_ns=seen.load_ns, start_ns=seen.start_ns)


def _effort(artifacts: Sequence[ModelArtifact]) -> Effort:
    """How long rounds last; a large model is loaded once a process, for its copies would fill the memory."""
    largest = max(artifact.size_bytes for artifact in artifacts)
    return DUEL_EFFORT if largest <= LARGEST_COPIED_BYTES else dataclasses.replace(DUEL_EFFORT, sessions=1)
