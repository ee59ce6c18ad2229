"""What the kernel says was done to a process while it measured. Imported by the worker: standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_STEAL_COLUMN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment, in nanoseconds.

    Attributes:
        clock_ns: When it was.
        waited_ns: How long this thread was ready to run and another ran in its place.
        stolen_ns: How long the hypervisor took this process's processors away, in steps of a clock tick.
    """

    clock_ns: int
    waited_ns: int
    stolen_ns: int


def read_now() -> Reading:
    """The counters of the calling thread and of the processors it may use."""
    return Reading(clock_ns=perf_counter_ns(), waited_ns=_waited_ns(), stolen_ns=_stolen_ns())


def _waited_ns() -> int:
    """Second field of `schedstat`; 0 where the kernel keeps none."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _stolen_ns() -> int:
    if not hasattr(os, "sched_getaffinity"):  # not Linux, so there is no /proc/stat either
        return 0
    names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    total = 0
    try:
        with Path("/proc/stat").open() as lines:
            for line in lines:
                if not line.startswith("cpu"):
                    break
                fields = line.split()
                if fields[0] in names:
                    total += int(fields[_STEAL_COLUMN])
    except (OSError, IndexError, ValueError):
        return 0
    return total * _TICK_NS
