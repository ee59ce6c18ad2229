"""How fast the processors run, and how time is read from them."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Final

from crossrt.harness.doctor.check import Check, read_text

SLOW_CLOCK_NS: Final = 200
_CPU: Final = Path("/sys/devices/system/cpu")


def governor() -> Check:
    """The frequency governor of all processors."""
    names = {text for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_governor") if (text := read_text(path))}
    required = "performance"
    if not names:
        return Check(
            name="frequency governor", outcome="unknown", found="not told (virtual machine?)", required=required
        )
    return Check(
        name="frequency governor",
        outcome="ok" if names == {required} else "warn",
        found=", ".join(sorted(names)),
        required=required,
        fix="sudo cpupower frequency-set --governor performance",
    )


def turbo() -> Check:
    """Whether processors may run above their nominal speed."""
    intel, others = read_text(_CPU / "intel_pstate/no_turbo"), read_text(_CPU / "cpufreq/boost")
    if intel is None and others is None:
        return Check(name="turbo", outcome="unknown", found="not told (virtual machine?)", required="off")
    is_off = intel == "1" if intel is not None else others == "0"
    file, value = ("intel_pstate/no_turbo", 1) if intel is not None else ("cpufreq/boost", 0)
    return Check(
        name="turbo",
        outcome="ok" if is_off else "warn",
        found="off" if is_off else "on: speed depends on heat and on the other cores",
        required="off",
        fix=f"echo {value} | sudo tee {_CPU / file}",
    )


def clock_source() -> Check:
    """Where the kernel reads the time."""
    path = Path("/sys/devices/system/clocksource/clocksource0")
    source, available = read_text(path / "current_clocksource"), read_text(path / "available_clocksource") or ""
    required = "tsc, or arch_sys_counter on Arm"
    if source is None:
        return Check(name="clock source", outcome="unknown", found="not told", required=required)
    is_fast = source in ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page")
    return Check(
        name="clock source",
        outcome="ok" if is_fast else "warn",
        found=f"{source} (available: {available})",
        required=required,
        fix=f"echo tsc | sudo tee {path / 'current_clocksource'}",
    )


def clock_cost() -> Check:
    """How long reading the time takes."""
    clock = time.perf_counter_ns
    pairs = []
    for _ in range(2_000):
        start = clock()
        pairs.append(clock() - start)
    cost = median(pairs)
    return Check(
        name="cost of the clock",
        outcome="ok" if cost <= SLOW_CLOCK_NS else "warn",
        found=f"{cost:.0f} ns a reading",
        required=f"at most {SLOW_CLOCK_NS} ns",
        fix="see the clock source",
    )
