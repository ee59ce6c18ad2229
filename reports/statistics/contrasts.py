"""Differences between things that were timed in the same rounds, block by block.

A shared machine changes its speed by tens of percent within a second, so only blocks that were timed next to each other
are compared. In each round the order of the blocks is drawn at random and then reversed (ABBA), which cancels drift.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.schema.records import Round

Logs = NDArray[np.float64]

_NORMAL_MAD: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

UNKNOWN_ERROR: Final = 1e-5
"""A thousandth of a percent: stands for the error of a round that is not known, and is the smallest of any."""


def calls_of(each: Round) -> list[int]:
    """All calls of a round in nanoseconds, in the order they were made."""
    return [call for block in each.blocks_ns for call in block]


def shared_calls(*timed: Iterable[Round]) -> int | None:
    """Calls that every block of several cases has, or None where there are no blocks.

    Blocks of different lengths cannot be compared as they are: the first calls after other work are slower, and in a
    short block they weigh more.
    """
    return min((len(block) for rounds in timed for each in rounds for block in each.blocks_ns), default=None)


def block_medians(each: Round, used_calls: int | None = None) -> Logs:
    """Logarithm of the median call of each block: `(blocks,)`.

    Args:
        each: The round.
        used_calls: How many calls of a block count, from the first; None for all.
    """
    lengths = {len(block) for block in each.blocks_ns}
    if len(lengths) == 1:
        calls = np.asarray(each.blocks_ns, dtype=np.float64)[:, :used_calls]
        medians = np.median(calls, axis=1)
    else:
        medians = np.array([np.median(block[:used_calls]) for block in each.blocks_ns])
    return np.asarray(np.log(np.maximum(medians, 1.0)))


def block_logs(each: Round, used_calls: int | None = None) -> Logs:
    """The mean of `block_medians` over each block and its mirror image: `(blocks // 2,)`."""
    medians = block_medians(each, used_calls)
    if len(medians) < 2:
        return medians
    paired = medians[: len(medians) - len(medians) % 2].reshape(-1, 2)
    return np.asarray(paired.mean(axis=1))


def quiet_level(each: Round, used_calls: int | None = None) -> float:
    """The 10th percentile of `block_medians`: what a call takes while the machine is left alone.

    Neighbours on a shared machine slow a process for tenths of a second at a time, and how often they do differs from
    run to run far more than what a call takes in between.
    """
    return float(np.percentile(block_medians(each, used_calls), 10))


def by_round(rounds: Sequence[Round], used_calls: int | None = None) -> Mapping[int, Logs]:
    """`block_logs` of each round, under the round's index."""
    return {each.index: block_logs(each, used_calls) for each in rounds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """What one round says of the difference of two logarithms: the median over its blocks, and its standard error."""

    value: float
    error: float


def contrasts(positive: Sequence[Mapping[int, Logs]], negative: Sequence[Mapping[int, Logs]]) -> list[Contrast]:
    """Per shared round: the mean of some logarithms minus the mean of others.

    The median over blocks drops those between which the machine changed its speed; a round in which it did so all the
    time has a large standard error.

    Args:
        positive: One or more processes a round, as `by_round` gives them.
        negative: What they are compared with.
    """
    shared = set.intersection(*(set(each) for each in (*positive, *negative)))
    found = []
    for index in sorted(shared):
        length = min(len(each[index]) for each in (*positive, *negative))
        above = np.mean([each[index][:length] for each in positive], axis=0)
        below = np.mean([each[index][:length] for each in negative], axis=0)
        found.append(_median(above - below))
    return found


def round_contrasts(positive: Sequence[Sequence[Round]], negative: Sequence[Sequence[Round]]) -> list[Contrast]:
    """`contrasts` of the times of some processes and those of others, over the calls that all of their blocks have."""
    used = shared_calls(*positive, *negative)
    return contrasts([by_round(each, used) for each in positive], [by_round(each, used) for each in negative])


def _median(values: Logs) -> Contrast:
    """Source of the error: the median of n normal values varies `sqrt(pi / 2)` times as much as their mean."""
    median = float(np.median(values))
    spread = _NORMAL_MAD * float(np.median(np.abs(values - median)))
    return Contrast(value=median, error=max(math.sqrt(math.pi / 2 / len(values)) * spread, UNKNOWN_ERROR))
