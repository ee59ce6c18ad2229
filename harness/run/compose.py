"""From the state of a run to its report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.evaluation import Packed
from crossrt.core.metric import MetricDefinition
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.classes import classes_of
from crossrt.harness.environment import installed_version
from crossrt.harness.evaluate.assess import Assessment, skipped
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case
from crossrt.harness.process.affinity import pinned_cpu
from crossrt.harness.run.in_time import slower
from crossrt.harness.run.run_state import RunState
from crossrt.harness.run.scenarios import single_stream_effort
from crossrt.reports.schema.files import problem_of
from crossrt.reports.schema.records import (
    SCHEMA_VERSION,
    Artifact,
    Control,
    Data,
    Report,
    Result,
    Round,
    Run,
    Settings,
    Tensor,
)
from crossrt.reports.schema.scenarios import ScenarioOutcome
from crossrt.reports.statistics.metrics import MEASURED_METRICS, derive_metrics
from crossrt.reports.statistics.scenarios import scenario_definitions
from crossrt.reports.text.cells import counted

MOST_LABELS = 2_000_000
"""Labels beyond which a report does not hold them: per-sample results are enough to compare."""


def report_of(state: RunState, *, is_over: bool = True) -> Report:
    """Everything that the run found out so far; one that is not over counts as interrupted, should it be the last.

    A case whose results could not be read again is a failed one.
    """
    results = tuple(_result(state, case) for case in state.cases)
    settle_baseline(state, [case for case, each in zip(state.cases, results, strict=True) if each.status == "ok"])
    report = _composed(state, results, is_over=is_over)
    if problem_of(report) is None:
        return report
    return _composed(state, tuple(_storable(report, result) for result in results), is_over=is_over)


def settle_baseline(state: RunState, ok: Sequence[Case]) -> None:
    """Where the user named no baseline and the planned one has no result, the first float case that has takes over.

    Args:
        state: The run.
        ok: The cases that may be it.
    """
    if state.settings.baseline is None and ok and state.baseline not in {case.subject for case in ok}:
        floats = [case for case in ok if state.artifacts[case.artifact_id].role == "float"]
        state.baseline = (floats or ok)[0].subject


def _storable(report: Report, result: Result) -> Result:
    """The result, or that it failed: what a case found must never take the others' results with it."""
    alone = msgspec.structs.replace(
        report,
        results=(result,),
        metrics=tuple(metric for metric in report.metrics if metric.case == result.case),
        controls=(),
        distances=(),
        layers=(),
        emulated=(),
    )
    if (problem := problem_of(alone)) is None:
        return result
    cause = problem.rpartition(": ")[2]
    reason = f"was measured, but what it found cannot be saved: {cause}"
    lost = msgspec.structs.replace(result, status="failed", reason=reason, rounds=(), scenarios=())
    return msgspec.structs.replace(lost, evaluation=None, memory=None, kernel_shares=None)


def _composed(state: RunState, results: tuple[Result, ...], *, is_over: bool) -> Report:
    artifacts = tuple(artifact_record(artifact) for artifact in state.artifacts.values())
    definitions = (*definitions_of(state), *scenario_definitions(results))
    return Report(
        schema_version=SCHEMA_VERSION,
        run=run_record(state, is_over=is_over),
        environment=state.environment,
        data=data_record(state),
        task=state.judge.task.name if state.judge else "none",
        definitions=definitions,
        artifacts=artifacts,
        results=results,
        metrics=derive_metrics(results, artifacts, state.baseline, definitions),
        reference=state.judge.reference.description if state.judge else None,
        model_sha256=next((each.source_sha256 for each in state.artifacts.values()), None),
        dimensions=dimensions_of(state),
        cautions=tuple(state.cautions),
        warnings=(*_broken_off(state), *state.warnings, *_lost_controls(state)),
        left_out=tuple(state.left_out),
        controls=_controls(state),
        distances=tuple(state.distances),
        layers=tuple(state.layers),
        emulated=tuple(state.emulated),
        roofline=state.roofline,
        exclusive=state.exclusive,
        evidence=state.evidence,
    )


def _broken_off(state: RunState) -> tuple[str, ...]:
    if state.broken_off is None:
        return ()
    rounds = max((len(each) for each in state.measurements.rounds.values()), default=0)
    return (f"the run broke off after {counted(rounds, 'round')}: {state.broken_off}",)


_LACKING: Final = {
    "replicate": "the A/A replicate of {of} shows how alike two processes of one case are",
    "noop": "the no-op model on {of} shows the call overhead of the runtime",
    "reference": "the reference workload shows how fast the machine was",
}


def _lost_controls(state: RunState) -> tuple[str, ...]:
    """What cases are judged by, and is not there or not in all rounds because its process failed."""
    found = []
    for each in state.participants:
        failure = state.measurements.failures.get(each.key)
        if each.control is None or failure is None:
            continue
        rounds = len(state.measurements.rounds.get(each.key, ()))
        what = _LACKING[each.control.kind].format(of=each.control.of)
        where = f", batch {each.batch_size}" if each.control.kind == "noop" else ""
        after = f"after {counted(rounds, 'round')}" if rounds else "in the first round"
        found.append(f"{what}{where}; its process failed {after}: {failure.reason}")
    return tuple(found)


def definitions_of(state: RunState) -> tuple[MetricDefinition, ...]:
    """The task's metrics, then those of every run."""
    return (*(state.judge.task.metrics if state.judge else ()), *MEASURED_METRICS)


def data_record(state: RunState) -> Data:
    """What models were fed with."""
    return _data(state.data, is_random=state.project.is_random)


def _data(data: RunData, *, is_random: bool) -> Data:
    labels = data.labels
    is_kept = labels is not None and labels.size <= MOST_LABELS and labels.dtype.kind in "biuf"
    return Data(
        name=data.dataset.name,
        fingerprint=data.dataset.fingerprint,
        samples=data.samples,
        is_random=is_random,
        classes=classes_of(data.dataset),
        labels=Packed.of(np.asarray(labels)) if is_kept and labels is not None else None,
        inputs=tuple(map(_tensor, data.dataset.inputs.values())),
    )


def dimensions_of(state: RunState) -> dict[str, int]:
    """Sizes of dynamic dimensions, as far as any artifact has them."""
    return {name: size for each in state.feedings.values() for name, size in each.dimensions.items()}


def _tensor(spec: TensorSpec) -> Tensor:
    return msgspec.convert(dataclasses.asdict(spec), Tensor)


def _controls(state: RunState) -> tuple[Control, ...]:
    """What took part in rounds beside the cases, where it has finished rounds."""
    return tuple(
        Control(
            kind=each.control.kind,
            of=each.control.of,
            batch_size=each.batch_size,
            threads=each.threads,
            rounds=tuple(rounds),
        )
        for each in state.participants
        if each.control is not None and (rounds := state.measurements.rounds.get(each.key))
    )


def run_record(state: RunState, *, is_over: bool = True) -> Run:
    """When, what and how."""
    return Run(
        id=state.id,
        started_at=state.started_at.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        status="complete" if is_over and not (state.interrupted or state.broken_off) else "interrupted",
        broken_off=state.broken_off,
        command=tuple(state.command),
        crossrt_version=installed_version("crossrt") or "unknown",
        settings=_settings(state),
        parent_cpu_share=state.measurements.parent_cpu_share,
    )


def _settings(state: RunState) -> Settings:
    settings, effort = state.settings, state.effort
    return Settings(
        rounds=effort.rounds,
        asked_rounds=single_stream_effort(settings).rounds,
        blocks_per_round=effort.blocks,
        block_target_ns=effort.block_target_ns,
        baseline=state.baseline,
        minimum_agreement=settings.minimum_agreement,
        time_budget_s=settings.time_s,
        seed=settings.seed,
        timeout_s=settings.limits.timeout_s,
        memory_limit_bytes=settings.limits.memory_limit_bytes,
        pinned_cpu=pinned_cpu(settings.threads),
    )


def artifact_record(artifact: ModelArtifact) -> Artifact:
    """A model file as a report describes it."""
    fields = dataclasses.asdict(artifact)
    for name in ("path", "data_files", "batching"):  # a path of this machine says nothing on another
        del fields[name]
    return msgspec.convert({**fields, "id": artifact.id, "batch_dimension": artifact.batching.dimension}, Artifact)


def _result(state: RunState, case: Case) -> Result:
    assessment = state.assessments.get(case.id, skipped("interrupted before this case was checked"))
    failure = state.measurements.failures.get(case.id)
    rounds = tuple(state.measurements.rounds.get(case.id, ()))
    if failure is not None:
        assessment = dataclasses.replace(
            assessment, status="failed", reason=failure.reason, stderr_tail=failure.stderr_tail or None
        )
    elif assessment.status == "ok" and case.id in state.measurements.left_out:
        assessment = dataclasses.replace(assessment, status="skipped", reason=slower(state.settings.time_s or 0))
    elif assessment.status == "ok" and not rounds:
        assessment = dataclasses.replace(
            assessment, status="skipped", reason="interrupted before its first round ended"
        )
    scenarios = tuple(each[case.id] for each in state.scenarios if case.id in each)
    return result_record(case, assessment, rounds, scenarios)


def result_record(
    case: Case, assessment: Assessment, rounds: tuple[Round, ...], scenarios: tuple[ScenarioOutcome, ...] = ()
) -> Result:
    """A case as a report holds it."""
    return Result(
        case=case.id,
        subject=case.subject,
        artifact=case.artifact_id,
        runtime=case.runtime,
        runtime_version=assessment.runtime_version,
        runtime_options=dict(case.options),
        batch_size=case.scenario.batch_size,
        threads=case.scenario.threads,
        io=case.scenario.io,
        status=assessment.status,
        model=case.model,
        variant=case.label,
        reason=assessment.reason,
        stderr_tail=assessment.stderr_tail,
        rounds=rounds,
        scenarios=scenarios,
        evaluation=assessment.evaluation,
        memory=assessment.memory,
        operators=assessment.operators,
        kernels=assessment.kernels,
        kernel_shares=assessment.kernel_shares,
    )
