"""Which processors measure: all single-thread cases share one, and the parent stays off it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import HarnessError


def usable_cpus() -> frozenset[int]:
    """Processors that this process may use.

    Raises:
        HarnessError: The system cannot tell.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise HarnessError("crossrt measures on Linux only: pinning and peak memory are read from the kernel")
    return frozenset(os.sched_getaffinity(0))


def pinned_cpu(threads: int) -> int | None:
    """The one processor for all single-thread cases: the last, for interrupts tend to go to the first."""
    return max(usable_cpus()) if threads == 1 else None


@contextmanager
def parent_off(cpu: int | None) -> Iterator[None]:
    """Keeps this process off the pinned processor where there is another one."""
    before = usable_cpus()
    others = before - {cpu}
    if cpu is None or not others:
        yield
        return
    os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
