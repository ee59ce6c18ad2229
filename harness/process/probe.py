"""Asks each registered runtime what it is, in a process of its own: the parent imports no runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import ChildFailedError, HarnessError, NotInstalledError
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.foreign_python import ForeignPython
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.process.versions import Opened, open_version
from crossrt.runtimes.registry import SHIPPED, default_runtime_names, runtime_names, selector_of, unknown_runtime
from crossrt.runtimes.selector import RuntimeSelector

MOST_AT_ONCE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """A registered runtime, or a version of one.

    Attributes:
        name: What cases call it: with the version, such as `ort-cpu==1.29.0`, where one was asked for.
        version: Its version, where it can be used.
        formats: The formats that it reads.
        problem: Why it cannot be used, or None.
        is_installed: False where its package is missing.
        spellings: Every way in which it was named.
        python: The Python of the version's own environment, or None for this one.
    """

    name: str
    version: str | None
    formats: tuple[str, ...]
    problem: str | None = None
    is_installed: bool = True
    spellings: tuple[str, ...] = ()
    python: ForeignPython | None = field(default=None, compare=False)


def probe_runtimes(
    names: Sequence[str] = (),
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008 - frozen
    remark: Callable[[str], object] = lambda _: None,
) -> list[RuntimeInfo]:
    """What the named runtimes are, or all registered ones but the optional ones that are not installed.

    A version that is asked for, as in `ort-cpu==1.29.0`, gets an environment of its own in the cache where it has none.

    Args:
        names: Names or selectors; two that come to the same are one runtime.
        limits: What each process may take.
        remark: Is told what takes long.

    Raises:
        HarnessError: A name is not registered.
        OptionRefusedError: A name is not written like a selector.
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The environment of a version cannot be made.
    """
    registered = runtime_names()
    selectors = {name: selector_of(name) for name in names or default_runtime_names()}
    unknown = [each.name for each in selectors.values() if each.name not in registered]
    if unknown:
        raise HarnessError(unknown_runtime(unknown[0], registered))
    opened = {name: open_version(each, remark) for name, each in selectors.items() if each.version is not None}
    with DrivingPool(MOST_AT_ONCE) as pool:
        futures = [pool.submit(_probe, name, each, opened.get(name), limits) for name, each in selectors.items()]
        return _distinct([future.result() for future in futures])


def _distinct(found: Sequence[RuntimeInfo]) -> list[RuntimeInfo]:
    by_name: dict[str, RuntimeInfo] = {}
    for each in found:
        known = by_name.setdefault(each.name, each)
        if known is not each:
            by_name[each.name] = dataclasses.replace(known, spellings=(*known.spellings, *each.spellings))
    return list(by_name.values())


def _probe(text: str, asked: RuntimeSelector, opened: Opened | None, limits: WorkerLimits) -> RuntimeInfo:
    selector, python = (asked, None) if opened is None else (opened.selector, opened.python)
    spellings = (text, selector.text)
    try:
        with CaseWorker(1, limits, python) as worker:
            worker.start_import(selector.text)
            imported = worker.finish_import()
    except ChildFailedError as failure:
        shipped = SHIPPED.get(selector.name)
        return RuntimeInfo(
            name=selector.text,
            version=None,
            formats=shipped.formats if shipped else get_args(ModelFormat),  # unknown: it might read any
            problem=failure.reason.removeprefix("importing the runtime: "),
            is_installed=opened is not None or not isinstance(failure, NotInstalledError),
            spellings=spellings,
            python=python,
        )
    return RuntimeInfo(
        name=selector.text, version=imported.version, formats=imported.formats, spellings=spellings, python=python
    )
