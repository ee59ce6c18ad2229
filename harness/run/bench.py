"""The main job: plan, get artifacts, check answers, measure in rounds, compose a report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossrt.harness.analyze.kernel_shares import profile_cases
from crossrt.harness.analyze.layers import diagnose_layers
from crossrt.harness.build.artifacts import artifacts_for, candidates_of
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import read_folder
from crossrt.harness.build.subject import READING
from crossrt.harness.cli.progress import Display
from crossrt.harness.environment import read_environment
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.evaluate.answers import read_reference
from crossrt.harness.evaluate.assess import Assessor, failed, skipped
from crossrt.harness.evaluate.distances import files_for_logits, measure_distances
from crossrt.harness.evaluate.workspace import Workspace, open_workspace
from crossrt.harness.locations import cache_folder
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.participants import participants_of
from crossrt.harness.measure.plan import choose_baseline, plan_cases
from crossrt.harness.measure.rounds import RoundRunner, RoundSettings
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.interrupts import ignore_interrupts
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.process.packages import check_packages
from crossrt.harness.process.probe import RuntimeInfo, probe_runtimes
from crossrt.harness.run.compose import report_of
from crossrt.harness.run.run_state import RunState, new_run_id
from crossrt.reports.schema.records import Report


def run_bench(settings: BenchSettings, command: Sequence[str], display: Display) -> Report:
    """Runs the main job. Interrupted while it measures, it reports what is finished.

    Raises:
        HarnessError: Nothing can be run as asked.
        ExportError: The model or the artifacts cannot be used.
    """
    if settings.diagnoses:
        check_packages("--diagnose", READING)
    runtimes = probe_runtimes(settings.runtimes, settings.limits)
    with open_workspace() as workspace:
        folder = read_folder(settings.artifacts) if settings.artifacts else None
        cases = plan_cases(candidates_of(settings, folder), runtimes, settings)
        baseline = choose_baseline(cases, settings.baseline)
        found = folder or _build(settings, cases, runtimes, workspace, display)
        state = _begin(settings, command, runtimes, cases, baseline, found)
        reference = read_reference(found.reference, workspace) if found.reference else None
        _set_aside(state, found, runtimes)
        try:
            with measuring_alone(cache_folder() / "measuring.lock", display):
                _assess(state, reference, workspace, display)
                _measure(state, workspace, display)
                if settings.diagnoses:
                    _diagnose(state, display)
        except KeyboardInterrupt:
            ignore_interrupts()
            state.interrupted = True
        return report_of(state)


def _build(
    settings: BenchSettings,
    cases: Sequence[Case],
    runtimes: Sequence[RuntimeInfo],
    workspace: Workspace,
    display: Display,
) -> Artifacts:
    usable = {runtime.name for runtime in runtimes if runtime.problem is None}
    runnable = [case for case in cases if case.runtime in usable]
    if not runnable:
        problems = "; ".join(f"{runtime.name}: {runtime.problem}" for runtime in runtimes if runtime.problem)
        raise HarnessError(f"no runtime can be used: {problems}")
    return artifacts_for(runnable, settings, workspace, display)


def _begin(
    settings: BenchSettings,
    command: Sequence[str],
    runtimes: Sequence[RuntimeInfo],
    cases: Sequence[Case],
    baseline: str,
    found: Artifacts,
) -> RunState:
    now = datetime.now(UTC)
    model_hashes = {artifact.model_sha256 for artifact in found.artifacts.values()}
    return RunState(
        id=new_run_id(now),
        started_at=now,
        settings=settings,
        command=command,
        environment=read_environment(runtimes, settings.threads, model_hashes.pop() if model_hashes else None),
        baseline=baseline,
        cases=cases,
        artifacts=found.artifacts,
    )


def _set_aside(state: RunState, found: Artifacts, runtimes: Sequence[RuntimeInfo]) -> None:
    """Marks the cases that cannot run: a runtime that is missing, an artifact that is missing or damaged."""
    problems = {
        runtime.name: failed(ChildFailedError(runtime.problem, ""))
        if runtime.is_installed
        else skipped(runtime.problem)
        for runtime in runtimes
        if runtime.problem is not None
    }
    for case in state.cases:
        if case.runtime in problems:
            state.assessments[case.id] = problems[case.runtime]
        elif case.artifact_id in found.problems:
            state.assessments[case.id] = failed(found.problems[case.artifact_id])


def _assess(state: RunState, reference: NDArray[np.float32] | None, workspace: Workspace, display: Display) -> None:
    cases = [case for case in state.cases if case.id not in state.assessments]
    if cases:
        display.phase("checking answers", len(cases))
    files = files_for_logits(state.cases, workspace)
    assessor = Assessor(state.artifacts, reference, state.settings, workspace, kept=files)
    for case, assessment in assessor.assess_all(cases):
        state.assessments[case.id] = assessment
        if assessment.status != "ok":
            display.remark(f"  {case.id}: {assessment.status}: {assessment.reason}")
        display.step(case.id)
    state.distances = measure_distances(state, files)


def _measure(state: RunState, workspace: Workspace, display: Display) -> None:
    cases = [case for case in state.cases if state.assessments[case.id].status == "ok"]
    if cases:
        settings = state.settings
        state.participants = participants_of(state, cases)
        how = RoundSettings(effort=settings.effort, limits=settings.limits, seed=settings.seed, images=workspace.images)
        RoundRunner(list(state.participants), how, state.measurements).run(display)


def _diagnose(state: RunState, display: Display) -> None:
    """Looks into files and kernels, now that nothing is timed any more."""
    state.layers = diagnose_layers(state, display)
    profile_cases(state, display)


def report_path(out: Path, report: Report) -> Path:
    """`<out>/<run>/report.json`."""
    return out / report.run.id / "report.json"
