"""Answers every case on the emulated processor as well, and tries what helps where it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from typing import Final

from crossrt.harness.emulation.answering import Answering, Trial
from crossrt.harness.emulation.cures import option_cures, recipe_cures
from crossrt.harness.emulation.emulator import Emulator
from crossrt.harness.evaluate.distances import first_cases
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.run.prepare import Opened
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.text.progress import Display

ALREADY: Final = (
    "this processor has neither AVX-512 nor VNNI: its own answers are those of --cpu {cpu}, and nothing was emulated"
)


def emulate(state: RunState, opened: Opened, emulator: Emulator, display: Display) -> None:
    """Fills in `state.emulated`, row by row, so that an interrupt keeps what is finished.

    Each case is answered once, at its smallest batch size; what failed natively is not tried.
    """
    if state.judge is None:
        return
    answering = Answering(emulator, state.data, state.judge, state.settings)
    first = first_cases(state.cases)
    trials = [_trial(state, case.id) for case in state.cases if case.id in first and _has_answered(state, case.id)]
    _answer(state, answering, trials, display)
    rows = {row.case: row for row in state.emulated}
    _answer(state, answering, list(option_cures(trials, rows)), display)
    _answer(state, answering, list(recipe_cures(state, opened, trials, rows, display)), display)


def _has_answered(state: RunState, case: str) -> bool:
    assessment = state.assessments.get(case)
    return assessment is not None and assessment.status == "ok"


def _trial(state: RunState, name: str) -> Trial:
    case = next(each for each in state.cases if each.id == name)
    feeding = state.feedings[case.artifact_id]
    return Trial(case=case, artifact=state.artifacts[case.artifact_id], feeding=feeding, owner=case.id)


def _answer(state: RunState, answering: Answering, trials: Sequence[Trial], display: Display) -> None:
    """Tries them, as many at once as there are processors; rows stand in the order of the trials."""
    if not trials:
        return
    display.phase(f"answering on an emulated {state.settings.cpu} CPU", len(trials))
    before, found = list(state.emulated), dict[int, EmulatedAnswers]()
    with DrivingPool(len(usable_cpus())) as pool:
        futures = {pool.submit(answering.compare, trial): place for place, trial in enumerate(trials)}
        for future in as_completed(futures):
            row = found[futures[future]] = future.result()
            state.emulated = [*before, *_in_order(found.items())]
            if row.status != "ok":
                display.failure(f"  {row.case}: {row.status}: {row.reason}")
            display.step(row.case)


def _in_order(found: Iterable[tuple[int, EmulatedAnswers]]) -> list[EmulatedAnswers]:
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]
