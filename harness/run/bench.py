"""The main job: plan, get artifacts, check answers, measure in rounds, compose a report."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from crossrt.core.system_errors import FROM_OUTSIDE, system_problem
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.project import Project
from crossrt.harness.emulation.emulator import Emulator, find_emulator
from crossrt.harness.emulation.run import ALREADY, emulate
from crossrt.harness.environment import machine_name, read_environment
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import failed, skipped
from crossrt.harness.evidence.report import add_evidence, say_missing_evidence
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.case import Case, select
from crossrt.harness.measure.checkpoints import after_round
from crossrt.harness.measure.effort import Cost, fitted
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.participants import Prepared, noop_features, participants_of
from crossrt.harness.measure.plan import check_patterns, choose_baseline, plan_cases
from crossrt.harness.measure.rounds import RoundRunner, RoundSettings
from crossrt.harness.measure.settings import DEFAULT_TIME_S, BenchSettings, Effort
from crossrt.harness.process.affinity import missing_abilities, too_many_threads
from crossrt.harness.process.interrupts import interruptible
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.process.packages import READING, check_packages
from crossrt.harness.process.probe import RuntimeInfo, check_formats, names_versions, probe_runtimes
from crossrt.harness.roofline.report import add_roofline
from crossrt.harness.run.alone import begin_alone, compared_around
from crossrt.harness.run.check import check_answers
from crossrt.harness.run.compose import report_of, settle_baseline
from crossrt.harness.run.in_time import LEFT_S, TimeLimit
from crossrt.harness.run.prepare import Opened, artifacts_for, open_project, scratch_folder
from crossrt.harness.run.run_state import RunState, new_run_id
from crossrt.harness.run.scenarios import measure_scenarios, single_stream_effort
from crossrt.reports.schema.records import Report
from crossrt.reports.text.cells import counted
from crossrt.reports.text.progress import Display

NOOP_SAMPLES = 8


def run_bench(
    settings: BenchSettings,
    command: Sequence[str],
    display: Display,
    keep: Callable[[Report], object] = lambda _: None,
    checkpoint: Callable[[Report], object] | None = None,
) -> Report:
    """Runs the main job. Interrupted while it measures, or where the system fails then, it reports what is finished.

    Args:
        settings: What is asked for.
        command: The command line, for the report.
        display: Follows.
        keep: Saves the report, before anything can interrupt again.
        checkpoint: Saves a report of the rounds that are finished so far, now and then.

    Raises:
        CrossrtError: Nothing can be run as asked, or a model, data or artifacts cannot be used.
    """
    if settings.diagnoses:
        check_packages("--diagnose", READING)
    machine_name()  # a wrong one is told before anything is built
    if settings.has_roofline:
        check_packages("--roofline", READING)
    emulator = None if settings.cpu is None else find_emulator(settings.cpu)
    with interruptible() as interrupts, scratch_folder() as folder:  # what is settled is also tidied up in peace
        state, runtimes, found, opened = begin(settings, command, folder, display)
        set_aside(state, found, runtimes)
        if settings.cpu is not None and emulator is None:
            state.warnings = [*state.warnings, ALREADY.format(cpu=settings.cpu)]
        broken = None
        try:
            broken = _broken(state, lambda: _check_and_measure(state, found, opened, emulator, display, checkpoint))
            interrupts.settle()
        except KeyboardInterrupt:
            interrupts.settle()
            state.interrupted = True
        report = report_of(state)
        keep(report)
        if broken is not None and not isinstance(broken, FROM_OUTSIDE):
            raise broken
        return report


def _check_and_measure(
    state: RunState,
    found: Artifacts,
    opened: Opened,
    emulator: Emulator | None,
    display: Display,
    checkpoint: Callable[[Report], object] | None,
) -> None:
    say_missing_evidence(state, display)
    with measuring_alone(lock_file(), display, is_exclusive=state.settings.exclusive is not None):
        watch = begin_alone(state, display)
        began = time.monotonic()  # now: waiting for other runs is none of the time
        check_answers(state, found, display, limit=TimeLimit(state, began))
        settle_baseline(state, [case for case in state.cases if state.assessments[case.id].status == "ok"])
        with compared_around(state, prepared_cases(state), watch, display):
            _measure(state, opened.folder, began, display, checkpoint)
            measure_scenarios(state, prepared_cases(state), began, display)
        if state.settings.diagnoses:
            _diagnose(state, display)
        if state.settings.has_roofline:
            add_roofline(state, display)
        if state.settings.has_evidence:
            add_evidence(state, prepared_cases(state), opened.folder, display)
        if emulator is not None:
            emulate(state, opened, emulator, display)


def _broken(state: RunState, work: Callable[[], None]) -> Exception | None:
    """Does the work; returns what ended it before its time where something is finished that is worth a report."""
    try:
        work()
    except Exception as error:
        is_outside = isinstance(error, FROM_OUTSIDE)
        has_answers = any(each.status == "ok" for each in state.assessments.values())
        if not state.measurements.rounds and not (is_outside and has_answers):
            raise
        state.broken_off = system_problem(error) if is_outside else f"{type(error).__name__}: {error}"
        return error
    return None


def begin(
    settings: BenchSettings, command: Sequence[str], folder: Path, display: Display
) -> tuple[RunState, Sequence[RuntimeInfo], Artifacts, Opened]:
    """Opens models and data, plans cases, and gets their files."""
    probed = functools.cache(lambda: probe_runtimes(settings.runtimes, settings.limits, display.remark))
    if not names_versions(settings.runtimes):  # else models and data come first: an environment takes minutes
        probed()
    opened = open_project(settings.subject, folder, lambda project: _calibrates(project, probed(), settings))
    check_formats(settings.runtimes, [each.format for each in opened.project.candidates])
    runtimes = probed()
    for note in (*opened.warnings, *opened.notes):
        display.remark(f"  {note}")
    settings = dataclasses.replace(settings, batch_sizes=batch_sizes_of(settings, opened.project))
    candidates = opened.project.candidates
    cases = plan_cases(candidates, runtimes, settings)
    check_patterns(candidates, runtimes, settings, list(opened.project.missing_for_calibration().values()))
    if not select(cases, settings.only):
        display.remark(f"  {' '.join(settings.only)} of the configuration selects no case of this model: all are taken")
        settings = dataclasses.replace(settings, only=())
    baseline = choose_baseline(cases, candidates, settings.baseline)
    is_named = bool(settings.only)
    found = artifacts_for(cases, runtimes, opened, settings.subject, display, is_named=is_named)
    if settings.baseline is not None:
        _fail_baseline(found, cases, baseline)
    cases = [case for case in cases if case.artifact_id not in found.unfit]
    baseline = choose_baseline(cases, candidates, settings.baseline)
    now = datetime.now(UTC)
    state = RunState(
        id=new_run_id(now),
        started_at=now,
        settings=settings,
        command=command,
        environment=read_environment(_used(runtimes, cases), settings.threads, display.remark),
        project=opened.project,
        data=opened.data,
        baseline=baseline,
        cases=cases,
        artifacts=found.artifacts,
        effort=settings.effort,
        cautions=list(opened.cautions),
        warnings=[*opened.warnings, *missing_abilities(), *too_many_threads(settings.thread_counts)],
        left_out=[*found.left_out, *opened.project.uncalibrated(runtimes, settings)],
    )
    return state, runtimes, found, opened


def _used(runtimes: Sequence[RuntimeInfo], cases: Sequence[Case]) -> list[RuntimeInfo]:
    """The runtimes of cases: others say nothing of the run."""
    names = {case.runtime for case in cases}
    return [each for each in runtimes if each.name in names]


def _calibrates(project: Project, runtimes: Sequence[RuntimeInfo], settings: BenchSettings) -> bool:
    """Whether a selected case is or may be calibrated: a recipe that needs it, or a quantized file as it was given."""
    sized = dataclasses.replace(settings, batch_sizes=batch_sizes_of(settings, project))
    planned = {case.artifact_id for case in plan_cases(project.candidates, runtimes, sized)}
    without = {f"{project.model}.{each.item}" for each in project.variants if not each.needs_calibration}
    return any(each.role == "quantized" and each.id in planned - without for each in project.candidates)


def _fail_baseline(found: Artifacts, cases: Sequence[Case], baseline: str) -> None:
    """A baseline is named, whatever else is not: one that does not fit the model stays, as a failed row."""
    for case in cases:
        if case.subject == baseline and (reason := found.unfit.pop(case.artifact_id, None)) is not None:
            found.problems[case.artifact_id] = ChildFailedError(reason, "")


def batch_sizes_of(settings: BenchSettings, project: Project) -> tuple[int, ...]:
    """The batch sizes that are measured: as asked, as `--dim` says of the batch dimension, or the model's own."""
    bound = settings.subject.dimensions.get(project.batching.dimension or "")
    return settings.batch_sizes or ((bound,) if bound else project.batch_sizes)


def set_aside(state: RunState, found: Artifacts, runtimes: Sequence[RuntimeInfo]) -> None:
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


def _measure(
    state: RunState, folder: Path, began: float, display: Display, checkpoint: Callable[[Report], object] | None
) -> None:
    prepared = prepared_cases(state)
    if not prepared:
        return
    settings = state.settings
    features = noop_features(prepared)
    noop_input = folder / "no-op.npy"
    np.save(noop_input, np.zeros((NOOP_SAMPLES, features), np.float32), allow_pickle=False)
    participants = participants_of(prepared, state.baseline, settings.effort.block_target_ns, noop_input, features)
    state.participants = participants
    budget_s = DEFAULT_TIME_S
    if settings.time_s is not None:
        budget_s = (began + settings.time_s - time.monotonic() - LEFT_S) / (1 + len(settings.scenarios))
    asked = single_stream_effort(settings)
    state.effort = fitted(asked, [(each, _cost(state, each)) for each in participants], budget_s)
    _say_what_is_cut(state, asked, display)
    deadline = time.monotonic() + budget_s
    how = RoundSettings(
        effort=state.effort,
        limits=settings.limits,
        seed=settings.seed,
        deadline=deadline,
        keeps_time=settings.time_s is not None,
        after_round=after_round(lambda: report_of(state, is_over=False), checkpoint),
    )
    RoundRunner(participants, how, state.measurements).run(display)
    if state.measurements.is_cut_short:
        display.remark("  the time is over: later rounds are left out, and intervals are wider for it")


def prepared_cases(state: RunState) -> list[Prepared]:
    """The cases that passed their checks."""
    return [
        Prepared(
            case=case,
            artifact=state.artifacts[case.artifact_id],
            feeding=state.feedings[case.artifact_id],
            inputs=state.feedings[case.artifact_id].inputs(state.data.first()),
            call_ns=state.assessments[case.id].trial_ns,
        )
        for case in state.cases
        if state.assessments[case.id].status == "ok"
    ]


def _cost(state: RunState, participant: Participant) -> Cost:
    name = participant.control.of if participant.control else participant.key
    assessment = state.assessments.get(name)
    if assessment is None:
        return Cost(call_ns=50_000)
    return Cost(call_ns=assessment.trial_ns, load_ns=assessment.load_ns, start_ns=assessment.start_ns)


def _say_what_is_cut(state: RunState, asked: Effort, display: Display) -> None:
    effort = state.effort
    if (effort.rounds, effort.blocks) != (asked.rounds, asked.blocks):
        made = f"{counted(effort.rounds, 'round')} of {effort.blocks} blocks"
        display.remark(f"  to fit the time: {made} in place of {asked.rounds} of {asked.blocks}; --time allows more")


def _diagnose(state: RunState, display: Display) -> None:
    """Looks into files and kernels, now that nothing is timed any more."""
    from crossrt.harness.analyze.kernel_shares import profile_cases  # few runs ask for them
    from crossrt.harness.analyze.layers import diagnose_layers

    state.layers = diagnose_layers(state, display)
    profile_cases(state, display)


def report_path(out: Path, report: Report) -> Path:
    """`<out>/<run>/report.json`."""
    return out / report.run.id / "report.json"
