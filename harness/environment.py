"""Reads what decides whether two reports may be compared."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from crossrt.core.control_group import cpu_limit
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import thread_variables
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.schema.records import Environment

COMPUTING_PACKAGES = ("crossrt", "numpy", "scipy", "onnxruntime", "ai-edge-litert")
_ISA_PREFIXES = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "i8mm", "bf16", "dotprod")
_NO_ISA = ("smep",)  # a security feature of x86


def read_environment(runtimes: Sequence[RuntimeInfo], threads: int) -> Environment:
    """The machine and the software of this run."""
    revision, dirty = git_state()
    return Environment(
        cpu_model=_cpu_model(),
        cpu_flags=_isa_flags(),
        logical_cpus=os.cpu_count() or 1,
        usable_cpus=tuple(sorted(usable_cpus())),
        cpu_quota=cpu_quota(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        machine=platform.machine(),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_average=tuple(round(load, 2) for load in os.getloadavg()),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=dict(_versions(runtimes)),
        thread_variables=thread_variables(threads),
        git_revision=revision,
        git_dirty=dirty,
    )


def cpu_quota() -> float | Literal["unknown"] | None:
    """Processors whose time the control groups grant, or None where none that can be read sets a limit."""
    limit = cpu_limit()
    return limit.smallest if limit.is_known else "unknown"


def git_state() -> tuple[str | None, bool | None]:
    """Revision of the working folder and whether it has uncommitted changes; None outside a repository."""
    revision = _git("rev-parse", "HEAD")
    if not revision:
        return None, None
    status = _git("status", "--porcelain")
    return revision, None if status is None else bool(status)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _versions(runtimes: Sequence[RuntimeInfo]) -> Mapping[str, str]:
    found = {"libc": " ".join(platform.libc_ver())}
    found |= {f"runtime {runtime.name}": runtime.version for runtime in runtimes if runtime.version}
    for package in COMPUTING_PACKAGES:
        if (installed := installed_version(package)) is not None:
            found[package] = installed
    return found


def _cpu_model() -> str:
    """The name, and what tells apart processors that share one."""
    name = _cpu_field("model name") or platform.processor() or platform.machine()
    numbers = [(each, _cpu_field(each)) for each in ("cpu family", "model", "stepping")]
    told = ", ".join(f"{each.removeprefix('cpu ')} {number}" for each, number in numbers if number)
    return f"{name} ({told})" if told else name


def has_vnni() -> bool:
    """True if the processor sums four products of 8-bit numbers in 32 bits."""
    return any("vnni" in flag for flag in _isa_flags())


def _isa_flags() -> tuple[str, ...]:
    flags = (_cpu_field("flags") or _cpu_field("Features") or "").split()
    return tuple(sorted(flag for flag in flags if flag.startswith(_ISA_PREFIXES) and flag not in _NO_ISA))


def _cpu_field(name: str) -> str | None:
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
