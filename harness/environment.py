"""Reads what decides whether two reports may be compared."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import msgspec

from crossrt.core.control_group import cpu_limit
from crossrt.core.errors import quoted
from crossrt.core.git import git_state
from crossrt.core.install import installed_builds
from crossrt.core.processor import cpu_model, instruction_sets
from crossrt.harness.errors import HarnessError
from crossrt.harness.machine import read_machine
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import thread_variables
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.schema.records import Environment, MachineName

NAME_VARIABLE = "CROSSRT_MACHINE"
COMPUTING_PACKAGES = ("crossrt", "numpy", "scipy")
RUNTIME_MODULES = ("onnxruntime", "ai_edge_litert", "openvino")
_BUILDS = ("onnxruntime", "ort-nightly", "ai-edge-litert", "openvino")


def read_environment(
    runtimes: Sequence[RuntimeInfo], threads: int, remark: Callable[[str], None] | None = None
) -> Environment:
    """The machine and the software of this run; what cannot be read and should be known is a remark."""
    state = git_state(Path.cwd())
    if state.problem and remark is not None:
        remark(f"  {state.problem}")
    return Environment(
        cpu_model=cpu_model(),
        cpu_flags=instruction_sets(),
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
        git_revision=state.revision,
        git_dirty=state.is_dirty,
        name=machine_name(),
        hardware=read_machine(),
    )


def machine_name() -> str | None:
    """What the environment variable `CROSSRT_MACHINE` calls this machine; None where it is not set.

    Raises:
        HarnessError: It cannot be a name.
    """
    text = os.environ.get(NAME_VARIABLE, "")
    if not text:
        return None
    try:
        return msgspec.convert(text, MachineName)
    except msgspec.ValidationError as error:
        raise HarnessError(
            f"{NAME_VARIABLE} is {quoted(text)}: letters, digits, dots, dashes and underscores are expected, 40 at most"
        ) from error


def cpu_quota() -> float | Literal["unknown"] | None:
    """Processors whose time the control groups grant, or None where none that can be read sets a limit."""
    limit = cpu_limit()
    return limit.smallest if limit.is_known else "unknown"


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def is_computing(distribution: str) -> bool:
    """True if its version may change times or answers; runtimes come in several builds."""
    return distribution in COMPUTING_PACKAGES or distribution.replace("_", "-").startswith(_BUILDS)


def _versions(runtimes: Sequence[RuntimeInfo]) -> Mapping[str, str]:
    found = {"libc": " ".join(platform.libc_ver())}
    found |= {f"runtime {runtime.selector.base}": runtime.version for runtime in runtimes if runtime.version}
    for runtime in runtimes:
        if runtime.python is not None:
            packages = runtime.python.packages.items()
            found |= {f"{name} of {runtime.name}": version for name, version in packages if name in COMPUTING_PACKAGES}
    for package in COMPUTING_PACKAGES:
        if (installed := installed_version(package)) is not None:
            found[package] = installed
    for module in RUNTIME_MODULES:
        found |= installed_builds(module)
    return found


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
