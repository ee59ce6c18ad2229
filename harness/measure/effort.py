"""How much is measured in a given time: calls of a block, blocks of a round, rounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.settings import Effort

FEWEST_CALLS: Final = 8
MOST_CALLS: Final = 256
LONGEST_BLOCK: Final = 4
"""A block may last so many times its target before it is made of fewer calls than eight."""

FEWEST_ROUNDS: Final = 2
"""Rounds that are made whatever the time, where as many were asked for: fewer have no interval."""

ENOUGH_ROUNDS: Final = 5
"""Rounds below which blocks are given up first: rounds are the replicates."""

BLOCKS: Final = (24, 16, 12, 8, 6, 4, 2)
"""Blocks of a round, even, for each order is followed by its reverse."""

START_UP_S: Final = 0.2
"""What a fresh process takes before it loads a model, seen with two starting at once on a small machine."""

SLOW_START_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a participant takes, as seen before it is timed.

    Attributes:
        call_ns: One call.
        load_ns: Loading the model and the first inference.
        start_ns: Starting a process and importing the runtime; counted where that is slow, as TensorFlow's import is.
    """

    call_ns: int
    load_ns: int = 0
    start_ns: int = 0


def calls_for(call_ns: int, target_ns: int) -> int:
    """Calls that take about `target_ns`: a power of two, so that a noisy trial seldom changes the number."""
    call_ns = max(call_ns, 1)
    fewest = min(FEWEST_CALLS, max(1, LONGEST_BLOCK * target_ns // call_ns))
    expected = min(max(target_ns // call_ns, fewest), MOST_CALLS)
    return 1 << (expected.bit_length() - 1)


def fitted(effort: Effort, costs: Sequence[tuple[Participant, Cost]], budget_s: float) -> Effort:
    """The effort that fits into a time, and never more than was asked for.

    Blocks are given up before rounds, down to two; then rounds, down to two: an interval needs them.
    """
    blocks = [each for each in BLOCKS if each <= effort.blocks] or [effort.blocks]
    for number in blocks:
        rounds = math.floor(budget_s / round_s(replace(effort, blocks=number), costs))
        if rounds >= min(effort.rounds, ENOUGH_ROUNDS):
            return replace(effort, blocks=number, rounds=min(effort.rounds, rounds))
    rounds = math.floor(budget_s / round_s(replace(effort, blocks=blocks[-1]), costs))
    return replace(effort, blocks=blocks[-1], rounds=min(effort.rounds, max(FEWEST_ROUNDS, rounds)))


def with_fewer_blocks(
    effort: Effort, costs: Sequence[tuple[Participant, Cost]], rounds: int, budget_s: float
) -> Effort:
    """The effort with as many blocks as let so many rounds fit into a time, at least two, and never more than asked.

    None is given up where starting processes takes twice as long as all blocks: it would save little. A process has no
    more sessions than its blocks go round.
    """
    start_s = round_s(replace(effort, blocks=0), costs)
    found = effort
    for number in (each for each in (effort.blocks, *BLOCKS) if each <= effort.blocks):
        found = replace(effort, blocks=number, sessions=min(effort.sessions, max(1, number // 2)))
        if round_s(found, costs) <= max(budget_s / rounds, 1.5 * start_s):
            break
    return found


def round_s(effort: Effort, costs: Sequence[tuple[Participant, Cost]]) -> float:
    """About how long a round takes, in seconds."""
    total = 0.0
    for participant, cost in costs:
        block_ns = max(effort.warmup_ns, cost.call_ns) + participant.calls * cost.call_ns
        start_s = cost.start_ns / 1e9 if cost.start_ns > SLOW_START_NS else START_UP_S
        total += start_s + (effort.sessions * cost.load_ns + effort.blocks * block_ns) / 1e9
    return total
