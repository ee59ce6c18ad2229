"""Asks each registered runtime what it is, in a process of its own: the parent imports no runtime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import get_args

from exporters.artifact import ModelFormat
from harness.case_worker import CaseWorker
from harness.errors import ChildFailedError, HarnessError
from harness.settings import WorkerLimits
from runtimes.registry import SHIPPED, runtime_names


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """A registered runtime: `problem` says why it cannot be used, or is None."""

    name: str
    version: str | None
    formats: tuple[str, ...]
    problem: str | None = None


def probe_runtimes(names: Sequence[str] = ()) -> list[RuntimeInfo]:
    """What the named runtimes are, or all registered ones.

    Raises:
        HarnessError: A name is not registered.
    """
    registered = runtime_names()
    unknown = [name for name in names if name not in registered]
    if unknown:
        raise HarnessError(f"there is no runtime {unknown[0]!r}: the registered ones are {', '.join(registered)}")
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_probe, names or registered))


def _probe(name: str) -> RuntimeInfo:
    try:
        with CaseWorker(1, WorkerLimits()) as worker:
            worker.start_import(name)
            answer = worker.finish_import()
    except ChildFailedError as failure:
        formats = SHIPPED[name].formats if name in SHIPPED else get_args(ModelFormat)  # unknown: it might read any
        reason = failure.reason.removeprefix("importing the runtime: ")
        return RuntimeInfo(name=name, version=None, formats=formats, problem=reason)
    return RuntimeInfo(name=name, version=answer["version"], formats=tuple(answer["formats"]))
