"""The scenarios beside single-stream, one after the other, once its rounds are over."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.asked import AskedMultiStream, AskedOffline, AskedScenario, AskedServer
from crossrt.harness.measure.scenarios.budget import Allowance, smallest_of_each
from crossrt.harness.measure.scenarios.cold_start import measure_cold_start
from crossrt.harness.measure.scenarios.multi_stream import measure_multi_stream
from crossrt.harness.measure.scenarios.offline import measure_offline
from crossrt.harness.measure.scenarios.server import measure_server
from crossrt.harness.measure.settings import DEFAULT_EFFORT, DEFAULT_TIME_S, BenchSettings, Effort
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.scenarios import ScenarioOutcome
from crossrt.reports.text.progress import Display

STARTING_ROUNDS: Final = 3
"""Of single-stream where it is not asked for."""

MOST_ROUNDS: Final = 5
"""Of scenarios in which a round is long: it searches a rate, or goes over all batch sizes."""

SHORTEST_S: Final = 1.0


def single_stream_effort(settings: BenchSettings) -> Effort:
    """How long single-stream is measured: as asked, or in few rounds where it only has to tell where others start."""
    effort = settings.effort
    if settings.is_single_stream:
        return effort
    return dataclasses.replace(effort, rounds=min(effort.rounds, STARTING_ROUNDS))


def measure_scenarios(state: RunState, prepared: Sequence[Prepared], began: float, display: Display) -> None:
    """Measures every scenario that was asked for, on each file and runtime that single-stream could measure.

    Args:
        state: The run; takes the outcomes.
        prepared: The cases that passed their checks.
        began: Moment of `time.monotonic` at which the run's time began.
        display: Follows.
    """
    able = smallest_of_each([each for each in prepared if state.measurements.rounds.get(each.case.id)])
    able = [each for each in able if each.case.id not in state.measurements.failures]
    asked = state.settings.scenarios
    for place, each in enumerate(asked if able else ()):
        state.scenarios.append({})
        _measure(each, state, able, _allowance(state.settings, began, len(asked) - place), display)
        _say_failures(state.scenarios[-1], each, display)


def _allowance(settings: BenchSettings, began: float, left: int) -> Allowance:
    """A share of the time that is left; without a limit, as much as single-stream takes at most."""
    if settings.time_s is None:
        time_s = DEFAULT_TIME_S * min(settings.effort.rounds / DEFAULT_EFFORT.rounds, 1)
    else:
        time_s = max(SHORTEST_S, (began + settings.time_s - time.monotonic()) / left)
    return Allowance(rounds=settings.effort.rounds, time_s=time_s, seed=settings.seed, limits=settings.limits)


def _measure(
    asked: AskedScenario, state: RunState, able: Sequence[Prepared], allowance: Allowance, display: Display
) -> None:
    into, baseline = state.scenarios[-1], state.baseline
    few = dataclasses.replace(allowance, rounds=min(allowance.rounds, MOST_ROUNDS))
    if isinstance(asked, AskedServer):
        measure_server(asked, able, baseline, state.measurements.rounds, few, display, into)
    elif isinstance(asked, AskedMultiStream):
        measure_multi_stream(asked, able, baseline, allowance, display, into)
    elif isinstance(asked, AskedOffline):
        measure_offline(asked, able, baseline, few, display, into)
    else:
        measure_cold_start(asked, able, baseline, allowance, display, into)


def _say_failures(outcomes: dict[str, ScenarioOutcome], asked: AskedScenario, display: Display) -> None:
    for case, outcome in outcomes.items():
        if outcome.status != "ok":
            display.failure(f"  {case}, {asked.text}: {outcome.status}: {outcome.reason}")
