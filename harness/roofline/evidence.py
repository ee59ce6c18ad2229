"""Counters of the processor and of its energy, where this machine lets them be read: one line says so, or why not."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.core.control_group import ROOT

_PARANOID: Final = 2
"""Above it a user may not count anything (Linux, admin-guide/perf-security)."""


def counter_line(root: Path = ROOT) -> str:
    """Whether hardware counters can be read; `root` is where `/proc` and `/sys` are."""
    if not any((root / "sys/bus/event_source/devices").glob("cpu*")):
        return "PMU counters: none, this machine shows no event source of its processor (a virtual machine?)"
    try:
        level = int((root / "proc/sys/kernel/perf_event_paranoid").read_text())
    except (OSError, ValueError):
        return "PMU counters: none, the kernel was built without perf events"
    if level > _PARANOID:
        return f"PMU counters: not allowed: sudo sysctl kernel.perf_event_paranoid={_PARANOID} (it is {level})"
    return "PMU counters: there; perf stat crossrt duel A A counts cycles and cache misses as evidence"


def energy_uj(root: Path = ROOT) -> int | None:
    """Microjoules of the first package so far (RAPL), or None where that cannot be read."""
    try:
        return int((root / "sys/class/powercap/intel-rapl:0/energy_uj").read_text())
    except (OSError, ValueError):
        return None


def energy_per_call(before_uj: int | None, after_uj: int | None, calls: int) -> float | None:
    """Microjoules of a call, or None where the meter cannot be read or began again meanwhile."""
    if before_uj is None or after_uj is None or after_uj < before_uj:
        return None
    return (after_uj - before_uj) / calls


def energy_line(energy: float | None, root: Path = ROOT) -> str:
    """Energy of a call in microjoules, or why it is not known."""
    folder = root / "sys/class/powercap/intel-rapl:0"
    if energy is not None:
        return f"energy (RAPL): {energy:,.3g} µJ a call, of the whole package and all that runs on it"
    if energy_uj(root) is not None:
        return "energy (RAPL): the meter began again while calls were made; try once more"
    if folder.is_dir():
        return f"energy (RAPL): not readable: sudo chmod a+r /{folder.relative_to(root)}/energy_uj"
    return "energy (RAPL): none, this machine shows no power meter"
