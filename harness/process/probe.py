"""Asks each registered runtime what it is, in a process of its own: the parent imports no runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from crossrt.core.artifact import ModelFormat
from crossrt.harness.errors import (
    ChildFailedError,
    HarnessError,
    NoAnswerError,
    NotInstalledError,
    OptionFailedError,
)
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.harness.process.pythons.versions import Opened, open_version
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.registry import SHIPPED, default_runtime_names, runtime_names, selector_of, unknown_runtime
from crossrt.runtimes.selector import RuntimeSelector
from crossrt.runtimes.versions.numbers import check_version
from crossrt.runtimes.versions.packages import packages_of

MOST_AT_ONCE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeInfo:
    """A registered runtime, a version of one, or one with values for its options.

    Attributes:
        name: What cases call it: its selector, such as `ort-cpu==1.29.0`, options in order.
        version: Its version, where it can be used.
        formats: The formats that it reads.
        problem: Why it cannot be used, or None.
        is_installed: False where its package is missing.
        options: Values for its options.
        declared: The options that it has, where it can be used.
        is_timed: False where it is only asked for answers.
        spellings: Every way in which it was named.
        python: The Python of the version's own environment, or None for this one.
    """

    name: str
    version: str | None
    formats: tuple[str, ...]
    problem: str | None = None
    is_installed: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    declared: tuple[RuntimeOption, ...] = ()
    is_timed: bool = True
    spellings: tuple[str, ...] = ()
    python: ForeignPython | None = field(default=None, compare=False)

    @property
    def selector(self) -> RuntimeSelector:
        """Its registered name, version and options."""
        return selector_of(self.name)


def probe_runtimes(
    names: Sequence[str] = (),
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008 - frozen
    remark: Callable[[str], object] = lambda _: None,
) -> list[RuntimeInfo]:
    """What the named runtimes are, or all that are meant where none is named.

    A version that is asked for, as in `ort-cpu==1.29.0`, gets an environment of its own in the cache where it has none.

    Args:
        names: Names or selectors; two that come to the same are one runtime.
        limits: What each process may take.
        remark: Is told what takes long.

    Raises:
        HarnessError: A name is not registered, or a runtime has no such option or value.
        OptionRefusedError: A name is not written like a selector.
        VersionRefusedError: There is no such version, or none for this Python.
        EnvironmentFailedError: The environment of a version cannot be made.
    """
    selectors = named_runtimes(names)
    opened = {name: open_version(each, remark) for name, each in selectors.items() if each.version is not None}
    with DrivingPool(MOST_AT_ONCE) as pool:
        futures = [pool.submit(_probe, name, each, opened.get(name), limits) for name, each in selectors.items()]
        return _distinct([future.result() for future in futures])


def named_runtimes(names: Sequence[str]) -> dict[str, RuntimeSelector]:
    """What each name means, or all runtimes that are meant where none is named; nothing is imported or installed.

    Raises:
        HarnessError: A name is not registered.
        OptionRefusedError: A name is not written like a selector.
        VersionRefusedError: A version is none, or is asked for of a runtime of which only the installed one is run.
    """
    registered = runtime_names()
    selectors = {name: selector_of(name) for name in names or default_runtime_names()}
    for each in selectors.values():
        if each.name not in registered:
            raise HarnessError(unknown_runtime(each.name, registered))
        if each.version is not None:
            packages_of(each.name)
            check_version(each.version)
    return selectors


def names_versions(names: Sequence[str]) -> bool:
    """Whether environments may have to be made for some runtimes; raises as `named_runtimes`."""
    return any(each.version is not None for each in named_runtimes(names).values())


def stated_formats(selector: RuntimeSelector) -> tuple[ModelFormat, ...]:
    """The formats that a runtime may read, by what is known of it before it is imported: of a plug-in nothing."""
    shipped = SHIPPED.get(selector.name)
    return shipped.formats if shipped else get_args(ModelFormat)


def check_formats(names: Sequence[str], formats: Sequence[ModelFormat]) -> None:
    """Looks, before anything is installed, whether some runtime may read one of the formats.

    Raises:
        HarnessError: None does, as far as shipped runtimes are concerned.
    """
    reads = {each.text: stated_formats(each) for each in named_runtimes(names).values()}
    if not any(set(each) & set(formats) for each in reads.values()):
        raise HarnessError(not_read(formats, reads))


def not_read(formats: Sequence[str], reads: Mapping[str, Sequence[str]]) -> str:
    """What there is that no runtime reads, and what these read.

    Args:
        formats: Formats of the files.
        reads: The formats of each runtime, by its name.
    """
    known = "; ".join(f"{name} reads {', '.join(each)}" for name, each in reads.items() if each)
    told = f" ({known})" if known else ""
    return f"no runtime of this run reads {', '.join(dict.fromkeys(formats))}{told}: crossrt runtimes lists all"


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
    except OptionFailedError as failure:
        raise HarnessError(_reason(failure)) from failure
    except ChildFailedError as failure:
        return RuntimeInfo(
            name=selector.text,
            version=None,
            formats=stated_formats(selector),
            problem=_reason(failure),
            is_installed=opened is not None or not isinstance(failure, NotInstalledError),
            options=selector.options,
            spellings=spellings,
            python=python,
        )
    name = dataclasses.replace(selector, options=imported.options).text
    return RuntimeInfo(
        name=name,
        version=imported.version,
        formats=imported.formats,
        options=imported.options,
        declared=imported.declared,
        is_timed=imported.is_timed,
        spellings=(*spellings, name),
        python=python,
    )


def _reason(failure: ChildFailedError) -> str:
    reason = failure.reason.removeprefix("importing the runtime: ")
    return f"{reason}; give it more time with --timeout" if isinstance(failure, NoAnswerError) else reason
