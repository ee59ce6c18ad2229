"""What is said where the least that is measured takes longer than there is time for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossrt.harness.measure.effort import FEWEST_ROUNDS
from crossrt.harness.measure.participant import Participant
from crossrt.reports.text.cells import counted
from crossrt.reports.text.progress import Display

TOLERATED: Final = 1.2
"""So many times the time that is left may be needed before anything is said: a first round only tells about how long
others take."""

UNNOTICED_S: Final = 5.0
"""So much longer than its time may an A/B comparison be expected to take before anything is said: processes start
faster than estimated where the machine has nothing else to do."""


def beyond(participants: Sequence[Participant], round_s: float, left_s: float) -> list[Participant]:
    """Those for which the fewest rounds leave no time once the first one is over: whole scenarios, but never the first.

    Args:
        participants: Of the first round.
        round_s: What it took.
        left_s: What is left after it.
    """
    scenarios: dict[tuple[int, int], list[Participant]] = {}
    for each in participants:
        if each.subject is not None:
            scenarios.setdefault((each.batch_size, each.threads), []).append(each)
    found, needed_s = list[Participant](), 0.0
    for place, key in enumerate(sorted(scenarios)):
        needed_s += (FEWEST_ROUNDS - 1) * round_s * len(scenarios[key]) / len(participants)
        if place and needed_s > left_s:
            found += scenarios[key]
    return found


def say_long_rounds(
    rounds: int, round_s: float, budget_s: float, participants: Sequence[Participant], display: Display
) -> None:
    """Says before the first round of an A/B comparison what the fewest will take where that is more than its time.

    Args:
        rounds: The fewest.
        round_s: What one is expected to take.
        budget_s: What there is time for.
        participants: Of a round.
        display: Where it is said.
    """
    if rounds * round_s > TOLERATED * budget_s + UNNOTICED_S:
        least = f"{counted(rounds, 'round')} of {counted(len(participants), 'process')}"
        has_batches = any(each.batch_size > 1 for each in participants)
        display.remark(
            f"  measuring takes about {rounds * round_s:,.0f} s, where there is time for {budget_s:,.0f} s: the least"
            f" is {least}{'; fewer samples a call take less' if has_batches else ''}"
        )


def say_overtime(
    name: str, rounds: int, round_s: float, left_s: float, processes: int, display: Display, why: str = ""
) -> None:
    """Says once, after the first round, what the fewest rounds will take where that is more than is left.

    Args:
        name: What is measured.
        rounds: How many were asked for.
        round_s: What the first one took.
        left_s: What there was time for when it began.
        processes: Fresh processes of a round.
        display: Where it is said.
        why: What else makes a round long.
    """
    fewest = min(FEWEST_ROUNDS, rounds)
    if fewest * round_s <= TOLERATED * max(left_s, 0) + 1:
        return
    took = (
        f"takes about {fewest * round_s:,.0f} s, where there is" if fewest > 1 else f"took {round_s:,.0f} s, there was"
    )
    least = f"{counted(fewest, 'round')} of {counted(processes, 'process')}"
    anyway = "are made all the same, as one alone has no interval" if fewest > 1 else "is made all the same"
    display.remark(f"  {name}: {took} time for {max(left_s, 0):,.0f} s; {least} {anyway}{why}; fewer cases take less")
