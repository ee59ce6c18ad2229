"""Which processors measure: all single-thread cases share one and the parent stays off it; the others have all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossrt.harness.errors import HarnessError


def usable_cpus() -> frozenset[int]:
    """Processors that this process may use; all of the machine where the system, as macOS, has no such limit."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset(range(os.cpu_count() or 1))
    return frozenset(os.sched_getaffinity(0))


MOST_THREADS_PER_CPU: Final = 4
"""So many threads may be asked for by mistake, or to see what that costs; thousands only wait for each other."""


def check_threads(threads: int) -> None:
    """Refuses far more threads than there are processors for.

    Raises:
        HarnessError: There are too many; the message names both numbers.
    """
    if threads <= MOST_THREADS_PER_CPU:
        return
    usable = len(usable_cpus())
    if threads > MOST_THREADS_PER_CPU * usable:
        cpus = "1 CPU" if usable == 1 else f"{usable} CPUs"
        raise HarnessError(
            f"{threads} threads were asked for and {cpus} can be used: ask for {MOST_THREADS_PER_CPU * usable} at most,"
            f" or better {usable}"
        )


def too_many_threads(counts: Sequence[int]) -> list[str]:
    """What a report says of more threads than there are processors for, in a line."""
    usable = len(usable_cpus())
    above = sorted(number for number in counts if number > usable)
    if not above:
        return []
    threads, cpus = " and ".join(map(str, above)), "1 CPU" if usable == 1 else f"{usable} CPUs"
    return [f"{threads} threads share {cpus}: their times say what too many threads cost, not how the model scales"]


def can_pin() -> bool:
    """False where the system refuses to pin processes, as macOS and some sandboxes do: then nothing is pinned."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(0, usable_cpus())
    except OSError:
        return False
    return True


NOT_PINNED: Final = "the system refuses to pin processes to a CPU: times vary more, and small differences may be missed"
"""What a report says of that."""

NO_MARKS: Final = "the system does not say how much memory a process took: peak memory is left out"
STATUS: Final = Path("/proc/self/status")


def missing_abilities() -> list[str]:
    """What this system lacks of what measuring uses, a line each; nothing on Linux as it is usually set up."""
    return [*([] if can_pin() else [NOT_PINNED]), *([] if STATUS.exists() else [NO_MARKS])]


def pinned_cpu(threads: int) -> int | None:
    """The one processor for all single-thread cases: the last, for interrupts tend to go to the first."""
    return Processors.of_this_process().pinned_cpu(threads)


@dataclass(frozen=True, slots=True)
class Processors:
    """The processors that this process could use when this was read, before it was kept off any of them."""

    usable: frozenset[int]
    can_pin: bool = True

    @classmethod
    def of_this_process(cls) -> Processors:
        """Reads them."""
        return cls(usable_cpus(), can_pin())

    def pinned_cpu(self, threads: int) -> int | None:
        """The one processor of a case with one thread; None for several threads, and where nothing can be pinned."""
        return max(self.usable) if threads == 1 and self.can_pin else None

    def of_worker(self, threads: int) -> tuple[int, ...]:
        """Where a worker with so many threads runs: one processor for one thread, else all; empty without pinning."""
        if not self.can_pin:
            return ()
        cpu = self.pinned_cpu(threads)
        return tuple(sorted(self.usable)) if cpu is None else (cpu,)

    @contextmanager
    def parent_off(self, cpu: int | None) -> Iterator[None]:
        """Keeps this process off a processor where there is another one."""
        others = self.usable - {cpu}
        if cpu is None or not others:
            yield
            return
        os.sched_setaffinity(0, others)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.usable)
