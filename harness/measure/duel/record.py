"""An A/B comparison as it is saved."""

from __future__ import annotations

import dataclasses

import msgspec

from crossrt.harness.environment import is_computing
from crossrt.harness.measure.duel.match import Arm, Match
from crossrt.harness.run.compose import artifact_record, data_record, definitions_of, result_record, run_record
from crossrt.reports.schema.records import SCHEMA_VERSION, Duel, Environment
from crossrt.reports.schema.records import Arm as ArmRecord
from crossrt.runtimes.registry import selector_of


def record(match: Match, *, is_over: bool = True) -> Duel:
    """Everything that was found out so far; a comparison that is not over counts as interrupted."""
    state = match.state
    rounds = len(match.samples().ratio)
    run = run_record(state, is_over=is_over)
    settings = msgspec.structs.replace(run.settings, rounds=rounds)
    a, b = (_arm_record(match, arm) for arm in match.arms)
    artifacts = {arm.prepared.artifact.id: artifact_record(arm.prepared.artifact) for arm in match.arms}
    return Duel(
        schema_version=SCHEMA_VERSION,
        kind="duel",
        run=msgspec.structs.replace(run, settings=settings),
        data=data_record(state),
        task=state.judge.task.name if state.judge else "none",
        definitions=definitions_of(state),
        margin=match.settings.margin,
        budget_s=match.settings.budget_s,
        artifacts=tuple(artifacts.values()),
        a=a,
        b=b,
        looks=tuple(match.looks),
        cautions=tuple(state.cautions),
        warnings=tuple(state.warnings),
        answers_repeat=state.judge is None or state.judge.reference.repeats,
    )


def _arm_record(match: Match, arm: Arm) -> ArmRecord:
    first, second = (tuple(match.state.measurements.rounds.get(key, ())) for key in arm.keys)
    environment, assessment = match.state.environment, arm.assessment
    if (failure := match.failure_of(arm)) is not None:
        assessment = dataclasses.replace(
            assessment, status="failed", reason=failure.reason, stderr_tail=failure.stderr_tail or None
        )
    return ArmRecord(
        result=result_record(arm.prepared.case, assessment, first),
        replicate_rounds=second,
        environment=environment if arm.python is None else _environment_of(arm, environment),
    )


def _environment_of(arm: Arm, environment: Environment) -> Environment:
    """The same machine with the packages of another Python."""
    assert arm.python is not None
    installed = {name: found for name, found in arm.python.packages.items() if is_computing(name)}
    packages = {
        "libc": environment.packages["libc"],
        f"runtime {selector_of(arm.prepared.case.runtime).base}": arm.assessment.runtime_version,
    }
    return msgspec.structs.replace(
        environment,
        python=arm.python.name,
        packages={name: str(found) for name, found in (packages | installed).items()},
    )
