"""Which batch sizes and numbers of threads there is time for, where `--time` is too short for all of them."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.harness.evaluate.assess import Assessment, skipped
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.effort import BLOCKS, FEWEST_ROUNDS, START_UP_S, calls_for
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.run.run_state import RunState
from crossrt.reports.text.cells import counted, listed
from crossrt.reports.text.progress import Display

LEFT_S: Final = 1.0
"""What composing and printing a report takes."""

MOST_NAMED: Final = 4
_FEWEST_BLOCKS: Final = BLOCKS[-1]


def by_scenario(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that are asked alike, together: small batches first, and few threads before many."""
    found: dict[tuple[int, int], list[Case]] = {}
    for case in cases:
        found.setdefault((case.scenario.batch_size, case.scenario.threads), []).append(case)
    return [found[key] for key in sorted(found)]


class TimeLimit:
    """Lets scenarios in as long as all that are in can be measured in the fewest rounds that have an interval.

    The first one is always in.
    """

    def __init__(self, state: RunState, began: float) -> None:
        """`began` is the moment of `time.monotonic` at which the run's time began."""
        self._state, self._began = state, began

    def affordable(self, cases: Sequence[Case], display: Display) -> Iterator[list[Case]]:
        """The cases of each scenario, once those before are assessed; others become rows that say why they are none.

        Args:
            cases: What would be checked and measured.
            display: Is told what is left out.
        """
        if self._state.settings.time_s is None:
            yield list(cases)
            return
        groups = by_scenario(cases)
        for place, group in enumerate(groups):
            if place and self._needed_s(group) > self._time_s:
                self._leave_out(groups[place:], display)
                return
            yield group

    @property
    def _time_s(self) -> float:
        return self._state.settings.time_s or math.inf

    def _leave_out(self, groups: Sequence[Sequence[Case]], display: Display) -> None:
        cases = [case for group in groups for case in group]
        reason = out_of_time(self._time_s, self._needed_s(cases))
        for case in cases:
            self._state.assessments[case.id] = skipped(reason)
            display.step(case.id)
        scenarios = [f"b{group[0].scenario.batch_size}/t{group[0].scenario.threads}" for group in groups]
        display.remark(f"  {counted(len(cases), 'case')} left out ({listed(scenarios, MOST_NAMED)}): {reason}")

    def _needed_s(self, cases: Sequence[Case]) -> float:
        """About how long the run takes with these cases beside those that are assessed, from its beginning."""
        state, passed_s = self._state, time.monotonic() - self._began
        known = {case.id: case for case in state.cases if case.id in state.assessments}
        checking_s = passed_s / max(1, len(known)) * len(cases)
        parts = 1 + len(state.settings.scenarios)
        round_s = sum(self._round_s(each) for each in by_scenario([*known.values(), *cases]))
        return passed_s + checking_s + parts * FEWEST_ROUNDS * round_s + LEFT_S

    def _round_s(self, cases: Sequence[Case]) -> float:
        """The shortest round of a scenario: of its cases, an A/A replicate, and a no-op model on each runtime."""
        costs = [self._case_s(found) for case in cases if (found := self._expected(case)) is not None]
        beside = 1 + len({case.runtime for case in cases})
        return sum(costs) * (1 + beside / len(costs)) if costs else 0.0

    def _expected(self, case: Case) -> Assessment | None:
        """What is known of a case, or to be expected of it by the largest batch before; None if it is not measured."""
        own = self._state.assessments.get(case.id)
        if own is not None:
            return own if own.status == "ok" else None
        found = [
            (other.scenario.batch_size, self._state.assessments[other.id])
            for other in self._state.cases
            if other.subject == case.subject and other.id in self._state.assessments
        ]
        if not found:
            return None
        size, largest = max(found, key=lambda each: each[0])
        if largest.status != "ok":
            return None
        return dataclasses.replace(largest, trial_ns=largest.trial_ns * max(1, case.scenario.batch_size // size))

    def _case_s(self, found: Assessment) -> float:
        effort, call_ns = self._state.settings.effort, found.trial_ns
        block_ns = max(effort.warmup_ns, call_ns) + calls_for(call_ns, effort.block_target_ns) * call_ns
        start_s = max(START_UP_S, found.start_ns / 1e9 / len(usable_cpus()))
        return start_s + (found.load_ns + _FEWEST_BLOCKS * block_ns) / 1e9


def out_of_time(time_s: float, needed_s: float) -> str:
    """Why a case is left out."""
    enough = 10 * math.ceil(1.1 * needed_s / 10)
    return (
        f"there was no time beside smaller batches and fewer threads: --time {time_s:g} is too short for all,"
        f" about --time {enough} is enough; fewer --batch, --threads or --only take less"
    )


def slower(time_s: float) -> str:
    """Why a case is left out after the first round."""
    return (
        "there was no time beside smaller batches and fewer threads: the first round showed that --time"
        f" {time_s:g} is too short for all; fewer --batch, --threads or --only take less"
    )
