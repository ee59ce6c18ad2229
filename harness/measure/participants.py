"""Who takes part in the rounds of a bench: every case, a twin per scenario, the floor of each runtime, the anchor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.noop import floor_artifacts
from crossrt.harness.measure.participant import ControlRole, Participant, Timed
from crossrt.harness.run.run_state import RunState

ANCHOR_CALLS = 64
"""About 3 ms on the machine that this was chosen on. A fixed number, for the anchor must be the same in every run."""

FLOOR_ROUNDS = 3
FLOOR_CALLS = 128


def participants_of(state: RunState, cases: Sequence[Case]) -> list[Participant]:
    """Everything that is timed, given the cases that passed their assessment."""
    measured = [_of_case(state, case) for case in cases]
    scenarios = list(dict.fromkeys(case.scenario for case in cases))
    twins = [_twin(state, [case for case in cases if case.scenario == scenario]) for scenario in scenarios]
    anchor = Participant(
        key="anchor",
        subject=None,
        scenario=Scenario(batch_size=1, threads=1),
        calls=ANCHOR_CALLS,
        control=ControlRole(kind="anchor", of="numpy"),
    )
    return [*measured, *twins, *_floors(cases), anchor]


def _of_case(state: RunState, case: Case) -> Participant:
    return Participant(
        key=case.id,
        subject=Timed(runtime=case.runtime, artifact=state.artifacts[case.artifact_id]),
        scenario=case.scenario,
        calls=state.assessments[case.id].calls_for(state.settings.effort.block_target_ns),
    )


def _twin(state: RunState, cases: Sequence[Case]) -> Participant:
    """A second process a round of the scenario's baseline, or of its first case."""
    case = next((case for case in cases if case.subject == state.baseline), cases[0])
    original = _of_case(state, case)
    return Participant(
        key=f"{case.id} twin",
        subject=original.subject,
        scenario=original.scenario,
        calls=original.calls,
        control=ControlRole(kind="twin", of=case.id),
    )


def _floors(cases: Sequence[Case]) -> Iterator[Participant]:
    """A model that copies its input, on each runtime in each scenario of float32, in the first rounds only."""
    wanted = dict.fromkeys(
        (case.runtime, case.format, case.scenario) for case in cases if case.scenario.io == "float32"
    )
    for runtime, model_format, scenario in wanted:
        if (artifact := floor_artifacts().get(model_format)) is not None:
            yield Participant(
                key=f"floor {runtime}/b{scenario.batch_size}",
                subject=Timed(runtime=runtime, artifact=artifact),
                scenario=scenario,
                calls=FLOOR_CALLS,
                rounds=FLOOR_ROUNDS,
                control=ControlRole(kind="floor", of=runtime),
            )
