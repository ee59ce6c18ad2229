"""Asks each registered runtime what it is, in a process of its own: the parent imports no runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import ChildFailedError, HarnessError, NotInstalledError
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.foreign_python import ForeignPython
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.process.versions import OpenedVersion, opened_version
from crossrt.runtimes.registry import SHIPPED, default_runtime_names, runtime_names, unknown_runtime
from crossrt.runtimes.versions.selector import parse_selector

MOST_AT_ONCE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """A registered runtime, or a version of one.

    Attributes:
        name: What cases call it: with the version, such as `ort-cpu==1.29.0`, where one was asked for.
        version: The version that is imported.
        formats: The file formats that it reads.
        problem: Why it cannot be used, or None.
        adapter: What a worker imports, where that is not its name.
        python: The Python of the version's own environment, or None for this one.
        asked: How the user wrote it, where that is not its name.
    """

    name: str
    version: str | None
    formats: tuple[str, ...]
    problem: str | None = None
    is_installed: bool = True
    adapter: str | None = None
    python: ForeignPython | None = field(default=None, compare=False)
    asked: str | None = None

    def is_called(self, name: str) -> bool:
        """True of its name, and of what the user wrote in its place, such as `ort-cpu==1.29`."""
        return name in (self.name, self.asked)

    @property
    def imports(self) -> str:
        """What a worker imports."""
        return self.adapter or self.name


def probe_runtimes(
    names: Sequence[str] = (),
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008 - frozen
    remark: Callable[[str], object] = lambda _: None,
) -> list[RuntimeInfo]:
    """What the named runtimes are, or all registered ones but the optional ones that are not installed.

    A version that is asked for, as in `ort-cpu==1.29.0`, gets an environment of its own in the cache where it has none.

    Args:
        names: The runtimes, each once.
        limits: What a worker may take.
        remark: Is told what takes long.

    Raises:
        HarnessError: A name is not registered.
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The environment of a version cannot be made.
    """
    selectors = {name: parse_selector(name) for name in names or default_runtime_names()}
    registered = runtime_names()
    for each in selectors.values():
        if (base := each.name.partition(":")[0]) not in registered:
            raise HarnessError(unknown_runtime(base, registered))
    pythons = {
        name: opened_version(each.name, each.version, remark)
        for name, each in selectors.items()
        if each.version is not None
    }
    with DrivingPool(MOST_AT_ONCE) as pool:
        futures = [pool.submit(_probe, name, each.name, pythons.get(name), limits) for name, each in selectors.items()]
        found = [future.result() for future in futures]
    return list({each.name: each for each in found}.values())  # 1.29 and 1.29.0 are one version


def _probe(asked: str, adapter: str, opened: OpenedVersion | None, limits: WorkerLimits) -> RuntimeInfo:
    shown = asked if opened is None else opened.name
    python = None if opened is None else opened.python
    try:
        with CaseWorker(1, limits, python) as worker:
            worker.start_import(adapter)
            imported = worker.finish_import()
    except ChildFailedError as failure:
        base = adapter.partition(":")[0]
        formats = SHIPPED[base].formats if base in SHIPPED else get_args(ModelFormat)  # unknown: it might read any
        reason = failure.reason.removeprefix("importing the runtime: ")
        is_installed = opened is not None or not isinstance(failure, NotInstalledError)
        return RuntimeInfo(
            name=shown,
            version=None if opened is None else opened.version,
            formats=formats,
            problem=reason,
            is_installed=is_installed,
            adapter=adapter,
            python=python,
            asked=asked,
        )
    return RuntimeInfo(
        name=shown, version=imported.version, formats=imported.formats, adapter=adapter, python=python, asked=asked
    )
