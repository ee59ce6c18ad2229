"""The limits of this machine: from the cache, or measured now; a machine that differs in anything has its own."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.core.processor import cpu_model, instruction_sets
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.locations import cache_folder
from crossrt.harness.machine import read_machine
from crossrt.harness.process.affinity import Processors
from crossrt.harness.process.case_worker import thread_variables
from crossrt.harness.process.child import ChildProcess
from crossrt.reports.schema.roofline import ComputeType, Limits, Peak

MODULE: Final = "crossrt.harness.roofline.measure"
_TIMEOUT_S: Final = 300.0
_PACKAGES: Final = ("numpy", "onnxruntime", "onnx", "openvino")


class _Measured(msgspec.Struct, frozen=True):
    """What the measuring process answers."""

    peaks: tuple[Peak, ...]
    bandwidth_bytes_per_s: float
    missing: tuple[str, ...]


def machine_limits(threads: int, *, refresh: bool = False) -> Limits:
    """What this machine can do with so many threads.

    Args:
        threads: How many; one is pinned as cases are.
        refresh: Whether what the cache holds does not count.

    Raises:
        HarnessError: They cannot be measured.
    """
    path = _place(threads)
    if not refresh and (known := _read(path)) is not None:
        return known
    found = _measure(threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_written = path.with_suffix(".part")
    half_written.write_bytes(msgspec.json.encode(found))
    half_written.replace(path)
    return found


def _place(threads: int) -> Path:
    """One file for each machine, number of threads and set of packages."""
    about = [cpu_model(), instruction_sets(), read_machine(), threads, [(name, _installed(name)) for name in _PACKAGES]]
    key = hashlib.sha256(msgspec.json.encode(about)).hexdigest()[:16]
    return cache_folder() / "limits" / f"{key}.json"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _read(path: Path) -> Limits | None:
    """What was measured before; a damaged file counts as none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Limits)
    except (OSError, msgspec.MsgspecError):
        return None


def _measure(threads: int) -> Limits:
    processors = Processors.of_this_process()
    variables = thread_variables(threads) | {"OPENBLAS_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    try:
        with ChildProcess(MODULE, variables=variables) as child:
            answer: dict[str, Any] = child.ask(
                {"threads": threads, "cpus": list(processors.of_worker(threads))}, _TIMEOUT_S
            )
        found = msgspec.convert(answer, _Measured)
    except (ChildFailedError, msgspec.ValidationError) as error:
        raise HarnessError(f"the limits of this machine cannot be measured: {error}") from error
    best: dict[ComputeType, Peak] = {}
    for peak in found.peaks:
        if peak.dtype not in best or peak.ops_per_s > best[peak.dtype].ops_per_s:
            best[peak.dtype] = peak
    return Limits(
        threads=threads,
        peaks=tuple(best.values()),
        bandwidth_bytes_per_s=found.bandwidth_bytes_per_s,
        missing=found.missing,
    )
