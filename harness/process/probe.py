"""Asks each registered runtime what it is, in a process of its own: the parent imports no runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import ChildFailedError, HarnessError, NotInstalledError
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.pool import DrivingPool
from crossrt.runtimes.registry import SHIPPED, default_runtime_names, runtime_names, unknown_runtime

MOST_AT_ONCE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """A registered runtime: `problem` says why it cannot be used, or is None."""

    name: str
    version: str | None
    formats: tuple[str, ...]
    problem: str | None = None
    is_installed: bool = True


def probe_runtimes(names: Sequence[str] = (), limits: WorkerLimits = WorkerLimits()) -> list[RuntimeInfo]:  # noqa: B008 - frozen
    """What the named runtimes are, or all registered ones but the optional ones that are not installed.

    Raises:
        HarnessError: A name is not registered.
    """
    registered = runtime_names()
    unknown = [name for name in names if name not in registered]
    if unknown:
        raise HarnessError(unknown_runtime(unknown[0], registered))
    with DrivingPool(MOST_AT_ONCE) as pool:
        futures = [pool.submit(_probe, name, limits) for name in names or default_runtime_names()]
        return [future.result() for future in futures]


def _probe(name: str, limits: WorkerLimits) -> RuntimeInfo:
    try:
        with CaseWorker(1, limits) as worker:
            worker.start_import(name)
            imported = worker.finish_import()
    except ChildFailedError as failure:
        formats = SHIPPED[name].formats if name in SHIPPED else get_args(ModelFormat)  # unknown: it might read any
        reason = failure.reason.removeprefix("importing the runtime: ")
        is_installed = not isinstance(failure, NotInstalledError)
        return RuntimeInfo(name=name, version=None, formats=formats, problem=reason, is_installed=is_installed)
    return RuntimeInfo(name=name, version=imported.version, formats=imported.formats)
