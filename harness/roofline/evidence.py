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


def energy_line(root: Path = ROOT) -> str:
    """Whether energy can be read."""
    folder = root / "sys/class/powercap/intel-rapl:0"
    if energy_uj(root) is not None:
        return "energy (RAPL): readable"
    if folder.is_dir():
        return f"energy (RAPL): not readable: sudo chmod a+r /{folder.relative_to(root)}/energy_uj"
    return "energy (RAPL): none, this machine shows no power meter"
