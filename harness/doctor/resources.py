"""Which processors and how much memory this process may use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.harness.doctor.check import Check, read_text
from crossrt.harness.environment import cpu_quota
from crossrt.harness.process.affinity import pinned_cpu, usable_cpus

_CPU: Final = Path("/sys/devices/system/cpu")
_ENOUGH_BYTES: Final = 2 * 2**30


def quota() -> Check:
    """Whether the control group limits processor time."""
    quota = cpu_quota()
    return Check(
        name="CPU quota",
        outcome="ok" if quota is None else "warn",
        found="none" if quota is None else f"{quota:g} CPUs: the kernel stops this group when they are used up",
        required="none",
        fix="run the container without --cpus; pin it with --cpuset-cpus",
    )


def siblings() -> Check:
    """Whether the measuring processor shares its core."""
    cpu = max(usable_cpus())
    text = read_text(_CPU / f"cpu{cpu}/topology/thread_siblings_list")
    if text is None:
        return Check(name="SMT siblings", outcome="unknown", found="not told", required="none in use")
    shared = [number for number in _numbers(text) if number != cpu]
    return Check(
        name="SMT siblings",
        outcome="warn" if shared else "ok",
        found=f"CPU {cpu} shares its core with CPU {', '.join(map(str, shared))}" if shared else f"CPU {cpu} has none",
        required="none in use",
        fix="echo off | sudo tee /sys/devices/system/cpu/smt/control; what a host does with them no guest can see",
    )


def cores() -> Check:
    """Whether the parent can stay off the measuring processor."""
    count = len(usable_cpus())
    return Check(
        name="usable CPUs",
        outcome="ok" if count > 1 else "warn",
        found=f"{count}; single-thread cases run on CPU {pinned_cpu(1)}",
        required="at least 2: one measures, the parent stays on another",
        fix="give this process another CPU: taskset, or --cpuset-cpus of the container",
    )


def memory() -> Check:
    """How much memory is free."""
    available = _meminfo("MemAvailable")
    limit = _memory_limit()
    room = min(each for each in (available, limit) if each is not None) if available is not None else limit
    required = "at least 2 GiB"
    if room is None:
        return Check(name="memory", outcome="unknown", found="not told", required=required)
    limited = "" if limit is None else f"; the group's limit is {limit / 2**30:.1f} GiB"
    return Check(
        name="memory",
        outcome="ok" if room >= _ENOUGH_BYTES else "warn",
        found=f"{room / 2**30:.1f} GiB free{limited}",
        required=required,
        fix="close other programs, or raise the container's --memory",
    )


def swap() -> Check:
    """Whether memory was moved to disk."""
    total, free = _meminfo("SwapTotal"), _meminfo("SwapFree")
    if total is None or free is None:
        return Check(name="swap", outcome="unknown", found="not told", required="unused")
    return Check(
        name="swap",
        outcome="ok" if total == free else "warn",
        found="unused" if total == free else f"{(total - free) / 2**20:.0f} MiB in use",
        required="unused",
        fix="sudo swapoff --all, where memory allows it",
    )


def _memory_limit() -> int | None:
    """The control group's limit, version 2 or 1, where it sets one."""
    for path in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        text = read_text(path)
        if text is not None and text.isdecimal() and int(text) < 2**60:
            return int(text)
    return None


def _meminfo(name: str) -> int | None:
    for line in (read_text(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _numbers(text: str) -> list[int]:
    """The numbers of a kernel list such as `0-3,8`."""
    ranges = [part.split("-") for part in text.split(",") if part]
    return [number for ends in ranges for number in range(int(ends[0]), int(ends[-1]) + 1)]
