"""What else goes on: two looks at the kernel's counters, a while apart."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossrt.harness.doctor.check import Check, read_text
from crossrt.harness.process.affinity import usable_cpus

BUSY_SHARE: Final = 0.05
"""Share of one processor above which another process is called busy."""

_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters that only their growth says something about."""

    clock_s: float
    process_ticks: dict[int, int]
    stolen_ticks: int | None
    pressure_us: int | None

    @staticmethod
    def take() -> Sample:
        """Reads them now."""
        return Sample(
            clock_s=time.monotonic(),
            process_ticks=dict(_process_ticks()),
            stolen_ticks=_stolen_ticks(),
            pressure_us=_pressure_us(),
        )


def _process_ticks() -> Iterator[tuple[int, int]]:
    """Processor time of every other process, in clock ticks."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        if (text := read_text(path)) is not None and int(path.parent.name) != os.getpid():
            fields = text.rpartition(")")[2].split()
            yield int(path.parent.name), int(fields[11]) + int(fields[12])


def _stolen_ticks() -> int | None:
    first = (read_text(Path("/proc/stat")) or "").partition("\n")[0].split()
    return int(first[8]) if len(first) > 8 else None


def _pressure_us() -> int | None:
    first = (read_text(Path("/proc/pressure/cpu")) or "").partition("\n")[0]
    total = first.rpartition("total=")[2]
    return int(total) if total.isdecimal() else None


def other_processes(before: Sample, after: Sample) -> Check:
    """Processes that used a processor meanwhile."""
    elapsed = (after.clock_s - before.clock_s) * os.sysconf("SC_CLK_TCK")
    shares = {
        pid: (ticks - before.process_ticks[pid]) / elapsed
        for pid, ticks in after.process_ticks.items()
        if pid in before.process_ticks
    }
    busy = sorted(((share, pid) for pid, share in shares.items() if share > BUSY_SHARE), reverse=True)
    named = ", ".join(f"{_command(pid)} ({pid}) {share:.0%}" for share, pid in busy[:_MOST_NAMED])
    return Check(
        name="other processes",
        outcome="warn" if busy else "ok",
        found=named + (f" and {len(busy) - _MOST_NAMED} more" if len(busy) > _MOST_NAMED else "") or "none busy",
        required=f"none above {BUSY_SHARE:.0%} of a CPU",
        fix="stop them, or measure when they are done",
    )


def steal(before: Sample, after: Sample) -> Check:
    """Time that the hypervisor took away meanwhile."""
    required = "none"
    if before.stolen_ticks is None or after.stolen_ticks is None:
        return Check(name="stolen time", outcome="unknown", found="not told", required=required)
    stolen = (after.stolen_ticks - before.stolen_ticks) / os.sysconf("SC_CLK_TCK") / (after.clock_s - before.clock_s)
    return Check(
        name="stolen time",
        outcome="warn" if stolen > 0 else "ok",
        found=f"{stolen:.1%} of a CPU",
        required=required,
        fix="the host runs other guests on these CPUs: choose dedicated ones",
    )


def pressure(before: Sample, after: Sample) -> Check:
    """How long tasks waited for a processor meanwhile."""
    required = "under 1%"
    if before.pressure_us is None or after.pressure_us is None:
        return Check(name="CPU pressure", outcome="unknown", found="the kernel keeps none", required=required)
    waited_s = (after.pressure_us - before.pressure_us) / 1e6
    share = min(1.0, waited_s / (after.clock_s - before.clock_s))  # the two clocks are not read at once
    return Check(
        name="CPU pressure",
        outcome="warn" if share > 0.01 else "ok",
        found=f"tasks waited for a CPU {share:.1%} of the time",
        required=required,
        fix="stop other work on this machine",
    )


def load() -> Check:
    """The load average."""
    load, cpus = os.getloadavg()[0], len(usable_cpus())
    return Check(
        name="load",
        outcome="warn" if load > 0.5 * cpus else "ok",
        found=f"{load:.2f} over the last minute on {cpus} CPUs",
        required=f"under {0.5 * cpus:g}",
        fix="wait until other work is done",
    )


def _command(pid: int) -> str:
    return read_text(Path(f"/proc/{pid}/comm")) or "a process that has ended"
