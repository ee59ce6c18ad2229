"""From the state of a run to its report."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import msgspec

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.environment import installed_version
from crossrt.harness.evaluate.assess import Assessment, skipped
from crossrt.harness.measure.case import Case
from crossrt.harness.process.affinity import pinned_cpu
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import SCHEMA_VERSION, Artifact, Control, Report, Result, Round, Run, Settings
from crossrt.reports.statistics.metrics import DEFINITIONS, derive_metrics


def report_of(state: RunState) -> Report:
    """Everything that the run found out so far."""
    results = tuple(_result(state, case) for case in state.cases)
    artifacts = tuple(artifact_record(artifact) for artifact in state.artifacts.values())
    return Report(
        schema_version=SCHEMA_VERSION,
        run=run_record(state),
        environment=state.environment,
        artifacts=artifacts,
        results=results,
        metrics=derive_metrics(results, artifacts, state.baseline),
        controls=_controls(state),
        distances=tuple(state.distances),
        layers=tuple(state.layers),
    )


def _controls(state: RunState) -> tuple[Control, ...]:
    """What took part in rounds beside the cases, where it has finished rounds."""
    return tuple(
        Control(
            kind=each.control.kind,
            of=each.control.of,
            batch_size=each.scenario.batch_size,
            threads=each.scenario.threads,
            calls_per_block=each.calls,
            rounds=tuple(rounds),
        )
        for each in state.participants
        if each.control is not None and (rounds := state.measurements.rounds.get(each.key))
    )


def run_record(state: RunState) -> Run:
    """When, what and how."""
    return Run(
        id=state.id,
        started_at=state.started_at.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        status="interrupted" if state.interrupted else "complete",
        command=tuple(state.command),
        crossrt_version=installed_version("crossrt") or "unknown",
        settings=_settings(state),
        definitions=dict(DEFINITIONS),
        parent_cpu_share=state.measurements.parent_cpu_share,
    )


def _settings(state: RunState) -> Settings:
    settings, effort = state.settings, state.settings.effort
    return Settings(
        rounds=effort.rounds,
        blocks_per_round=effort.blocks,
        block_target_ns=effort.block_target_ns,
        baseline=state.baseline,
        minimum_agreement=settings.minimum_agreement,
        seed=settings.seed,
        timeout_s=settings.limits.timeout_s,
        memory_limit_bytes=settings.limits.memory_limit_bytes,
        pinned_cpu=pinned_cpu(settings.threads),
    )


def artifact_record(artifact: ModelArtifact) -> Artifact:
    """A model file as a report describes it."""
    fields = dataclasses.asdict(artifact)
    del fields["path"]  # a path of this machine says nothing on another
    return msgspec.convert({**fields, "id": artifact.id}, Artifact)


def _result(state: RunState, case: Case) -> Result:
    assessment = state.assessments.get(case.id, skipped("interrupted before this case was checked"))
    failure = state.measurements.failures.get(case.id)
    rounds = tuple(state.measurements.rounds.get(case.id, ()))
    if failure is not None:
        assessment = dataclasses.replace(
            assessment, status="failed", reason=failure.reason, stderr_tail=failure.stderr_tail or None
        )
    elif assessment.status == "ok" and not rounds:
        assessment = dataclasses.replace(
            assessment, status="skipped", reason="interrupted before its first round ended"
        )
    calls = next((each.calls for each in state.participants if each.key == case.id), 0)
    return result_record(case, assessment, calls, rounds)


def result_record(case: Case, assessment: Assessment, calls: int, rounds: tuple[Round, ...]) -> Result:
    """A case as a report holds it."""
    return Result(
        case=case.id,
        artifact=case.artifact_id,
        runtime=case.runtime,
        runtime_version=assessment.runtime_version,
        batch_size=case.scenario.batch_size,
        threads=case.scenario.threads,
        io=case.scenario.io,
        status=assessment.status,
        reason=assessment.reason,
        stderr_tail=assessment.stderr_tail,
        calls_per_block=calls,
        rounds=rounds,
        accuracy=assessment.accuracy,
        memory=assessment.memory,
        operators=assessment.operators,
        kernels=assessment.kernels,
        kernel_shares=assessment.kernel_shares,
    )
