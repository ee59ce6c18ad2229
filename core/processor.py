"""What the kernel says of the processor."""

from __future__ import annotations

import platform
from pathlib import Path

_ISA_PREFIXES = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "i8mm", "bf16", "dotprod")
_NO_ISA = ("smep",)  # a security feature of x86


def cpu_model() -> str:
    """The name, and what tells apart processors that share one."""
    name = _cpu_field("model name") or platform.processor() or platform.machine()
    numbers = [(each, _cpu_field(each)) for each in ("cpu family", "model", "stepping")]
    told = ", ".join(f"{each.removeprefix('cpu ')} {number}" for each, number in numbers if number)
    return f"{name} ({told})" if told else name


def has_vnni() -> bool:
    """True if the processor sums four products of 8-bit numbers in 32 bits."""
    return any("vnni" in flag for flag in instruction_sets())


def instruction_sets() -> tuple[str, ...]:
    """Extensions that decide which kernels run, sorted."""
    flags = (_cpu_field("flags") or _cpu_field("Features") or "").split()
    return tuple(sorted(flag for flag in flags if flag.startswith(_ISA_PREFIXES) and flag not in _NO_ISA))


def _cpu_field(name: str) -> str | None:
    for line in _information().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _information() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""
