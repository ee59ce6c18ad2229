"""Which processors and how much memory this process may use."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.core.control_group import ROOT, Limit, cpu_limit, memory_limit
from crossrt.harness.doctor.check import Check, read_text
from crossrt.harness.machine import numbers_in, read_machine
from crossrt.harness.process.affinity import can_pin, pinned_cpu, usable_cpus

_CPU: Final = Path("/sys/devices/system/cpu")
_ENOUGH_BYTES: Final = 2 * 2**30


def quota() -> Check:
    """Whether the control groups limit processor time."""
    limit, required = cpu_limit(), "none"
    if limit.smallest is not None:
        return Check(
            name="CPU quota",
            outcome="warn",
            found=f"{limit.smallest:.3g} CPUs: the kernel stops this group when they are used up",
            required=required,
            fix="run the container without --cpus (Kubernetes: without a CPU limit; systemd: without CPUQuota=), and"
            " pin it with --cpuset-cpus",
        )
    if not limit.is_known:
        return Check(name="CPU quota", outcome="unknown", found="the control group cannot be read", required=required)
    return Check(
        name="CPU quota",
        outcome="ok" if limit.is_whole else "unknown",
        found="none" if limit.is_whole else "none within this container; what is set above it cannot be seen",
        required=required,
    )


def siblings() -> Check:
    """Whether the measuring processor shares its core."""
    cpu = max(usable_cpus())
    text = read_text(_CPU / f"cpu{cpu}/topology/thread_siblings_list")
    if text is None:
        return Check(name="SMT siblings", outcome="unknown", found="not told", required="none in use")
    shared = [number for number in numbers_in(text) if number != cpu]
    return Check(
        name="SMT siblings",
        outcome="warn" if shared else "ok",
        found=f"CPU {cpu} shares its core with CPU {', '.join(map(str, shared))}" if shared else f"CPU {cpu} has none",
        required="none in use",
        fix="echo off | sudo tee /sys/devices/system/cpu/smt/control; what a host does with them no guest can see",
    )


def numa(root: Path = ROOT) -> Check:
    """Whether memory comes from the NUMA nodes of the processors."""
    machine, required = read_machine(root), "memory of the CPUs' own node"
    if machine.numa_nodes is None or machine.cpu_nodes is None or machine.memory_nodes is None:
        return Check(name="NUMA nodes", outcome="unknown", found="not told", required=required)
    cpus, memory = numbers_in(machine.cpu_nodes), numbers_in(machine.memory_nodes)
    is_near = set(memory) <= set(cpus) and len(cpus) == 1
    return Check(
        name="NUMA nodes",
        outcome="ok" if is_near or machine.numa_nodes == 1 else "warn",
        found=f"{machine.numa_nodes}; CPUs of {machine.cpu_nodes}, memory of {machine.memory_nodes}",
        required=required,
        fix=f"numactl --cpunodebind={cpus[-1]} --membind={cpus[-1]} crossrt ...",
    )


def cores() -> Check:
    """Whether the parent can stay off the measuring processor."""
    count, required = len(usable_cpus()), "at least 2: one measures, the parent stays on another"
    if not can_pin():
        return Check(
            name="usable CPUs",
            outcome="warn",
            found=f"{count}; the system refuses to pin processes to one",
            required=required,
            fix="allow the system call sched_setaffinity, as the default profiles of docker and podman do",
        )
    return Check(
        name="usable CPUs",
        outcome="ok" if count > 1 else "warn",
        found=f"{count}; single-thread cases run on CPU {pinned_cpu(1)}",
        required=required,
        fix="give this process another CPU: taskset, or --cpuset-cpus of the container",
    )


def memory() -> Check:
    """How much memory is free."""
    available, limit = _meminfo("MemAvailable"), memory_limit()
    rooms = [each for each in (available, limit.left) if each is not None]
    required = "at least 2 GiB"
    if not rooms:
        return Check(name="memory", outcome="unknown", found="not told", required=required)
    is_fit = min(rooms) >= _ENOUGH_BYTES
    return Check(
        name="memory",
        outcome="warn" if not is_fit else "ok" if limit.is_known else "unknown",
        found=f"{min(rooms) / 2**30:.1f} GiB free; {_said(limit)}",
        required=required,
        fix="close other programs, or raise the container's --memory",
    )


def _said(limit: Limit) -> str:
    if limit.smallest is not None:
        return f"the group's limit is {limit.smallest / 2**30:.1f} GiB"
    if not limit.is_known:
        return "the group's limit cannot be read"
    return "no limit is set" if limit.is_whole else "no limit is set within this container"


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


def _meminfo(name: str) -> int | None:
    for line in (read_text(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None
