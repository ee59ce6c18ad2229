"""Everything before a duel's first round: the cases, their files, their answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.build.artifacts import artifacts_for, candidates_of
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import read_folder
from crossrt.harness.cli.progress import Display
from crossrt.harness.environment import read_environment
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.assess import Assessment, Assessor, calls_for
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.duel.arms import check_alike, parse_arm, runtimes_named
from crossrt.harness.measure.duel.match import Arm, Match
from crossrt.harness.measure.settings import DUEL_EFFORT, BenchSettings, DuelSettings, Effort
from crossrt.harness.process.child import kill_all_children
from crossrt.harness.process.foreign_python import ForeignPython, open_python
from crossrt.harness.process.probe import RuntimeInfo, probe_runtimes
from crossrt.harness.run.run_state import RunState, new_run_id

LARGEST_COPIED_BYTES = 32 * 2**20


def prepare(settings: DuelSettings, command: Sequence[str], workspace: Workspace, display: Display) -> Match:
    """Finds the two cases and checks their answers.

    Raises:
        HarnessError: Nothing can be run as asked, or an arm fails.
        ExportError: The model or the artifacts cannot be used.
    """
    run = settings.run
    python = open_python(settings.python_b, workspace.folder) if settings.python_b else None
    folder = read_folder(run.artifacts) if run.artifacts else None
    candidates = candidates_of(run, folder)
    runtimes = probe_runtimes(runtimes_named(settings.a, settings.b), run.limits)
    cases = [parse_arm(text, candidates, runtimes, run) for text in (settings.a, settings.b)]
    check_alike(*cases)
    _check_usable(cases if python is None else cases[:1], runtimes)
    found = folder or artifacts_for(cases, run, workspace, display)
    for case in cases:
        if case.artifact_id in found.problems:
            raise HarnessError(f"{case.artifact_id}: {found.problems[case.artifact_id].reason}")
    display.phase("checking answers", len(cases))
    assessments = _assess(run, cases, (None, python), found, workspace, display)
    calls = calls_for(sum(each.trial_ns for each in assessments) // len(assessments), DUEL_EFFORT.block_target_ns)
    arms = (
        _arm("A", cases[0], None, assessments[0], found, calls),
        _arm("B", cases[1], python, assessments[1], found, calls),
    )
    return Match(settings=settings, state=_begin(settings, command, runtimes, cases, found), arms=arms)


def _arm(
    label: str, case: Case, python: ForeignPython | None, assessment: Assessment, found: Artifacts, calls: int
) -> Arm:
    return Arm(
        case=case,
        artifact=found.artifacts[case.artifact_id],
        python=python,
        assessment=assessment,
        keys=(f"{label}1", f"{label}2"),
        calls=calls,
    )


def _check_usable(cases: Sequence[Case], runtimes: Sequence[RuntimeInfo]) -> None:
    problems = {runtime.name: runtime.problem for runtime in runtimes if runtime.problem}
    for case in cases:
        if case.runtime in problems:
            raise HarnessError(f"{case.runtime} cannot be used: {problems[case.runtime]}")


def _assess(
    settings: BenchSettings,
    cases: Sequence[Case],
    pythons: Sequence[ForeignPython | None],
    found: Artifacts,
    workspace: Workspace,
    display: Display,
) -> list[Assessment]:
    """Checks the answers of both arms at once."""
    reference = read_reference(found.reference, workspace) if found.reference else None
    assessors = [Assessor(found.artifacts, reference, settings, workspace, python) for python in pythons]
    with ThreadPoolExecutor(len(cases)) as pool:
        try:
            assessments = list(pool.map(lambda pair: pair[0].assess(pair[1]), zip(assessors, cases, strict=True)))
        except BaseException:
            kill_all_children()
            raise
    for label, case, python, assessment in zip("AB", cases, pythons, assessments, strict=True):
        if assessment.status != "ok":
            where = f" with {python.path}" if python else ""
            raise HarnessError(f"{label} ({case.id}{where}) {assessment.status}: {assessment.reason}")
        display.step()
    return assessments


def _begin(
    settings: DuelSettings,
    command: Sequence[str],
    runtimes: Sequence[RuntimeInfo],
    cases: Sequence[Case],
    found: Artifacts,
) -> RunState:
    now = datetime.now(UTC)
    artifacts = [found.artifacts[case.artifact_id] for case in cases]
    used = [runtime for runtime in runtimes if runtime.name in {case.runtime for case in cases}]
    return RunState(
        id=new_run_id(now),
        started_at=now,
        settings=dataclasses.replace(settings.run, effort=_effort(artifacts)),
        command=command,
        environment=read_environment(used, cases[0].scenario.threads, artifacts[0].model_sha256),
        baseline=cases[0].subject,
        cases=cases,
        artifacts=found.artifacts,
    )


def _effort(artifacts: Sequence[ModelArtifact]) -> Effort:
    """How long rounds last; a large model is loaded once a process, for its copies would fill the memory."""
    largest = max(artifact.size_bytes for artifact in artifacts)
    return DUEL_EFFORT if largest <= LARGEST_COPIED_BYTES else dataclasses.replace(DUEL_EFFORT, sessions=1)
