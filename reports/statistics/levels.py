"""How fast processes of one round are, by blocks that they timed in turn while the machine was not left alone.

Two things disturb a block. The machine changes its speed, for all processes alike; and a neighbour, an interrupt or a
cold cache slows that one block. Both only ever make it slower. So a block's logarithm is taken to be the level of its
process, plus the drift of its turn, plus a disturbance that is never negative: a two-way table (Tukey 1977, Exploratory
Data Analysis, chapter 11) of which the quiet side is fitted in place of the middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.schema.records import Round
from crossrt.reports.statistics.contrasts import UNKNOWN_ERROR, Contrast, Logs, shared_calls
from crossrt.reports.statistics.intervals import winsorized_error

_PASSES: Final = 3
"""Fits of drift and levels in turn. With eight, intervals of real and of simulated rounds were within 4% of these."""


def level_contrasts(positive: Sequence[Sequence[Round]], negative: Sequence[Sequence[Round]]) -> list[Contrast]:
    """Per shared round: the mean level of some processes minus that of others, as logarithms.

    No process is preferred to another: exchanging them changes nothing but signs, so that the truth of a comparison of
    equals is 0 whatever the disturbances are.

    Args:
        positive: One or more processes a round: the rounds of each.
        negative: What they are compared with.
    """
    processes = [*positive, *negative]
    used = shared_calls(*processes)
    found = [{each.index: quiet_blocks(each, used) for each in rounds} for rounds in processes]
    weights = np.array([1 / len(positive)] * len(positive) + [-1 / len(negative)] * len(negative))
    contrasts = []
    for index in sorted(set.intersection(*(set(each) for each in found))):
        turns = min(len(each[index]) for each in found)
        levels, errors = levels_of(np.stack([each[index][:turns] for each in found]))
        error = math.sqrt(float(((weights * errors) ** 2).sum()))
        contrasts.append(Contrast(value=float(weights @ levels), error=max(error, UNKNOWN_ERROR)))
    return contrasts


def quiet_blocks(each: Round, used_calls: int | None = None) -> Logs:
    """The mean logarithm of the faster half of each block's calls: `(blocks,)`.

    The first calls after another process ran find cold caches, and interrupts hit single calls.

    Args:
        each: The round.
        used_calls: How many calls of a block count, from the first; None for all.
    """
    return np.array([_faster_half(np.log(np.maximum(block[:used_calls], 1.0))) for block in each.blocks_ns])


def _faster_half(values: NDArray[np.float64]) -> float:
    return float(np.sort(values)[: max(1, len(values) // 2)].mean())


def levels_of(blocks: Logs) -> tuple[Logs, Logs]:
    """Levels of processes, and how sure they are: `(processes,)` each.

    The drift of a turn is the smallest excess of any process over its own level; the level of a process is the mean
    over the faster half of its blocks without drift.

    The errors are those of trimmed means. As the drift was fitted too they are too small, by up to 1.8 times where
    nothing but normal noise disturbs: rounds are weighted by them, and their own scatter tells how sure the mean is
    (`pooled_interval`). A jackknife would have the right mean, and weights so uncertain that equals were called
    different 1.7 times as often as promised under bursts of load.

    Args:
        blocks: Logarithms, those of one turn side by side: `(processes, turns)`.
    """
    levels, kept = np.median(blocks, axis=1), max(1, blocks.shape[1] // 2)
    for _ in range(_PASSES):
        drift = (blocks - levels[:, None]).min(axis=0)
        ordered = np.sort(blocks - drift, axis=1)
        levels = ordered[:, :kept].mean(axis=1)
    return levels, winsorized_error(ordered, 0, blocks.shape[1] - kept) if kept > 1 else np.zeros(len(blocks))
