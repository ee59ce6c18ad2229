"""Exclusive use of the machine, proved: watched before and after, and a case compared with itself around the rest."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import msgspec

from crossrt.harness.doctor.activity import Sample
from crossrt.harness.errors import BusyMachineError
from crossrt.harness.locations import machine_lock_file
from crossrt.harness.measure.effort import Cost, fitted
from crossrt.harness.measure.participants import Prepared, pair_of
from crossrt.harness.measure.rounds import Measurements, RoundRunner, RoundSettings
from crossrt.harness.measure.settings import Exclusivity
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.exclusive import Activity, ExclusiveUse, SelfComparison
from crossrt.reports.statistics.self_comparison import change_text, compared_with_itself, differs
from crossrt.reports.text.progress import Display
from crossrt.reports.verdicts.exclusive import activity_text, limits_text

WATCH_S: Final = 2.0
LOOKS: Final = 5
"""How often it is looked, before a machine counts as busy: what ran before may still be tidying up."""

ROUNDS: Final = 5
LONGEST_S: Final = 20.0
"""How long an A/A comparison may take; two rounds are made whatever they take."""


def begin_alone(state: RunState, display: Display) -> Sample | None:
    """Watches the machine, if exclusive use of it is asked for; returns its counters.

    Raises:
        BusyMachineError: It is too busy.
    """
    if (asked := state.settings.exclusive) is None:
        return None
    display.doing("looking whether this machine is quiet")
    for _ in range(LOOKS):
        before = watched()
        if (problem := problem_of(before, asked)) is None:
            break
    else:
        raise BusyMachineError(
            f"this machine is not quiet: {problem}; stop what else runs on it, or allow it by --max-pressure and"
            " --max-steal"
        )
    display.remark(f"  exclusive use: {activity_text(before)}; {limits_text(asked.max_pressure, asked.max_steal)}")
    state.exclusive = ExclusiveUse(
        lock=str(machine_lock_file()),
        max_pressure=asked.max_pressure,
        max_steal=asked.max_steal,
        before=before,
    )
    return Sample.take()


def watched() -> Activity:
    """What the kernel says of two seconds in which nothing of this run happens."""
    before = Sample.take()
    time.sleep(WATCH_S)
    return activity(before, Sample.take())


def activity(before: Sample, after: Sample) -> Activity:
    """What happened between two moments."""
    elapsed_s = after.clock_s - before.clock_s
    pressure = None
    if before.pressure_us is not None and after.pressure_us is not None:
        pressure = min(1.0, (after.pressure_us - before.pressure_us) / 1e6 / elapsed_s)  # of two clocks
    return Activity(watched_s=elapsed_s, pressure=pressure, stolen=_stolen(before, after))


def _stolen(before: Sample, after: Sample) -> float | None:
    if before.stolen_ticks is None or after.stolen_ticks is None:
        return None
    ticks = after.stolen_ticks - before.stolen_ticks
    return max(0, ticks) / os.sysconf("SC_CLK_TCK") / (after.clock_s - before.clock_s)


def problem_of(found: Activity, asked: Exclusivity) -> str | None:
    """What is above the limits, in words."""
    if found.pressure is not None and found.pressure > asked.max_pressure:
        return f"tasks waited for a CPU {found.pressure:.1%} of the time, and {100 * asked.max_pressure:g}% is allowed"
    if found.stolen is not None and found.stolen > asked.max_steal:
        return f"the hypervisor took {found.stolen:.1%} of a CPU away, and {100 * asked.max_steal:g}% is allowed"
    return None


@contextmanager
def compared_around(
    state: RunState, prepared: Sequence[Prepared], began: Sample | None, display: Display
) -> Iterator[None]:
    """Compares a case with itself before and after what is inside, if exclusive use is asked for.

    Raises:
        BusyMachineError: The comparison before says that two equal things differ.
    """
    if state.exclusive is None or began is None or not prepared:
        yield
        return
    before = self_comparison(state, prepared, "before", display)
    state.exclusive = msgspec.structs.replace(state.exclusive, aa_before=before)
    if before is not None and differs(before):
        raise BusyMachineError(
            f"this machine is not quiet: {before.case} and its A/A replicate, which are equal, differ by"
            f" {change_text(before)}"
        )
    yield
    after = self_comparison(state, prepared, "after", display)
    state.exclusive = msgspec.structs.replace(
        state.exclusive, aa_after=after, stolen=_stolen(began, Sample.take()), after=watched()
    )


def self_comparison(
    state: RunState, prepared: Sequence[Prepared], when: Literal["before", "after"], display: Display
) -> SelfComparison | None:
    """Some rounds of the baseline and its replicate; None where one of both failed, which the case's row tells."""
    settings = state.settings
    pair = pair_of(prepared, state.baseline, settings.effort.block_target_ns)
    seen = state.assessments[pair[0].key]
    cost = Cost(call_ns=seen.trial_ns, load_ns=seen.load_ns, start_ns=seen.start_ns)
    effort = fitted(dataclasses.replace(settings.effort, rounds=ROUNDS), [(each, cost) for each in pair], LONGEST_S)
    found = Measurements()
    how = RoundSettings(
        effort=effort, limits=settings.limits, seed=settings.seed, deadline=time.monotonic() + LONGEST_S
    )
    RoundRunner(pair, how, found).run(display, f"A/A comparison {when} the run, {pair[0].key} with itself")
    one, other = (found.rounds.get(each.key, ()) for each in pair)
    return compared_with_itself(pair[0].key, one, other) if one and other else None
