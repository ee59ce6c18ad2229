"""Calls that are timed: one behind the other, or at random moments whatever became of those before.

Imported by the worker: numpy and the standard library. A latency of the latter counts from the moment at which a
query was due, not from when it was taken up: a worker that falls behind pays for every query that waits meanwhile (no
coordinated omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.runtimes.protocol import Feeds

WARM_UP_NS: Final = 1_000_000
"""How long calls follow each other before the first query of a trial is due."""

_LONG_GAP_NS: Final = 2_000_000
_AWAKE_BEFORE_NS: Final = 500_000
"""A long gap is slept through up to this; the rest is waited for awake, as a wake-up takes some 50 µs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of the queries of a trial.

    Attributes:
        latency_ns: From when each was due to its answer.
        over: How many took longer than the bound.
        busy_ns: Time in which the model ran.
        elapsed_ns: From the start to the last answer.
        is_held: Whether the bound was kept, as the looks judge it; None where the time was over before one did.
    """

    latency_ns: NDArray[np.int64]
    over: int
    busy_ns: int
    elapsed_ns: int
    is_held: bool | None


def poisson_arrivals(rate_per_s: float, queries: int, seed: int) -> NDArray[np.int64]:
    """When queries of a Poisson process are due: nanoseconds after its start, ascending.

    Gaps are exponential with the mean `1 / rate`, and independent (Kingman 1993, section 4.1), as in LoadGen's server
    scenario.
    """
    gaps = np.random.default_rng(seed).exponential(1e9 / rate_per_s, queries)
    return np.cumsum(gaps).astype(np.int64)


def serve_queries(
    run: Callable[[Any], object],
    feeds: Sequence[Any],
    due_ns: NDArray[np.int64],
    bound_ns: int,
    looks: Sequence[tuple[int, int, int]],
    most_ns: int,
    clock: Callable[[], int] = perf_counter_ns,
) -> Served:
    """Answers queries one by one in the order in which they are due.

    Args:
        run: Answers one.
        feeds: What it is given, in turn.
        due_ns: When each query is due, after the start.
        bound_ns: Of a latency.
        looks: Queries after which to judge, the most over the bound with which the rate is held, and the fewest with
            which it is not; the last one decides, so that its two numbers follow each other.
        most_ns: How long it may last.
        clock: What time it is, in nanoseconds.
    """
    arrivals: list[int] = due_ns.tolist()
    latency: list[int] = []
    over = busy = place = 0
    is_held = None
    kinds = len(feeds)
    start = now = clock()
    for index, arrival in enumerate(arrivals):
        due = start + arrival
        if now < due:
            now = _waited(due, now, clock)
        began = now
        run(feeds[index % kinds])
        now = clock()
        busy += now - began
        latency.append(now - due)
        over += now - due > bound_ns
        if over >= looks[place][2]:  # it would not be less at the look itself
            is_held = False
            break
        if index + 1 == looks[place][0]:
            if over <= looks[place][1]:
                is_held = True
                break
            place += 1
        if now - start > most_ns:
            break
    return Served(
        latency_ns=np.array(latency, np.int64), over=over, busy_ns=busy, elapsed_ns=now - start, is_held=is_held
    )


def _waited(due: int, now: int, clock: Callable[[], int]) -> int:
    """Waits until a moment, mostly awake."""
    if due - now > _LONG_GAP_NS:
        time.sleep((due - now - _AWAKE_BEFORE_NS) / 1e9)
    while (now := clock()) < due:
        pass
    return now


def warm_up(run: Callable[[Feeds], Any], feeds: list[Feeds], duration_ns: int) -> None:
    """Calls until the duration has passed, at least once."""
    end = perf_counter_ns() + duration_ns
    while True:
        for feed in feeds:
            run(feed)
            if perf_counter_ns() >= end:
                return


def time_calls(run: Callable[[Feeds], Any], feeds: list[Feeds], calls: int) -> list[int]:
    """Nanoseconds of each of `calls` single calls, the feeds taken in turn."""
    samples = [0] * calls
    count = len(feeds)
    for index in range(calls):
        feed = feeds[index % count]
        start = perf_counter_ns()
        run(feed)
        samples[index] = perf_counter_ns() - start
    return samples
