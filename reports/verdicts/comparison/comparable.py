"""What makes two reports comparable, field by field."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from crossrt.reports.schema.machine import Machine
from crossrt.reports.schema.records import Environment, Report, Run

_LONG: Final = 120


class Measured(Protocol):
    """What is asked of a report for its key."""

    @property
    def run(self) -> Run:
        """How it measured."""

    @property
    def environment(self) -> Environment:
        """Where."""


_TIMES: Final[Mapping[str, Callable[[Measured], object]]] = {
    "CPU model": lambda report: report.environment.cpu_model,
    "CPU instruction sets": lambda report: " ".join(report.environment.cpu_flags),
    "architecture": lambda report: report.environment.machine,
    "usable CPUs": lambda report: len(report.environment.usable_cpus),
    "logical CPUs": lambda report: report.environment.logical_cpus,
    "CPU quota": lambda report: report.environment.cpu_quota,
    "frequency governor": lambda report: report.environment.governor,
    "pinning to a CPU": lambda report: report.run.settings.pinned_cpu is not None,
    "thread settings": lambda report: sorted(report.environment.thread_variables.items()),
}

_HARDWARE: Final[Mapping[str, Callable[[Machine], object]]] = {
    "sockets": lambda machine: machine.sockets,
    "NUMA nodes": lambda machine: machine.numa_nodes,
    "cpuset": lambda machine: machine.cpuset,
    "NUMA nodes of the CPUs": lambda machine: machine.cpu_nodes,
    "NUMA nodes of the memory": lambda machine: machine.memory_nodes,
    "CPU quotas of the control groups": lambda machine: _quotas(machine.cpu_quotas),
    "SMT": lambda machine: machine.smt,
    "turbo": lambda machine: machine.boost,
    "frequency driver": lambda machine: machine.frequency_driver,
    "microcode": lambda machine: machine.microcode,
    "hypervisor": lambda machine: machine.hypervisor,
}
"""What earlier versions did not record, and not every kernel tells: judged where both reports know it."""

_SIZES: Final[Mapping[str, Callable[[Report], object]]] = {
    "dimensions": lambda report: ", ".join(f"{name} {size}" for name, size in sorted(report.dimensions.items())),
}

_DATA: Final[Mapping[str, Callable[[Report], object]]] = {
    "data set": lambda report: report.data.fingerprint[:12],
    "task": lambda report: report.task,
    **_SIZES,
}

_NOTED: Final[Mapping[str, Callable[[Report], object]]] = {
    "model": lambda report: (report.model_sha256 or "unknown")[:12],
    "Python": lambda report: report.environment.python,
    "kernel": lambda report: report.environment.kernel,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field in which two reports differ."""

    field: str
    baseline: str
    current: str

    def __str__(self) -> str:
        return f"{self.field} ({self.baseline} | {self.current})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparability:
    """What stands in the way of judging times and accuracy, and what differs without doing so."""

    times: tuple[Difference, ...]
    accuracy: tuple[Difference, ...]
    noted: tuple[Difference, ...]


def environment_key(report: Measured) -> str:
    """Names everything in which two reports must agree for their times to be compared: 64 hexadecimal digits."""
    fields = [(name, read(report)) for name, read in _TIMES.items()]
    fields += [(name, value) for name, value in _hardware(report).items() if value is not None]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def comparability(baseline: Report, current: Report) -> Comparability:
    """Compares machines, settings and data of two reports."""
    return Comparability(
        times=(*_differences({**_TIMES, **_SIZES}, baseline, current), *_of_hardware(baseline, current)),
        accuracy=tuple(_differences(_DATA, baseline, current)),
        noted=(*_differences(_NOTED, baseline, current), *_packages(baseline, current)),
    )


def runs_other_instructions(baseline: Report, current: Report) -> bool:
    """True if the processors differ in their instruction sets: the same file may then answer otherwise."""
    before, after = baseline.environment, current.environment
    return (before.machine, frozenset(before.cpu_flags)) != (after.machine, frozenset(after.cpu_flags))


def _differences(
    fields: Mapping[str, Callable[[Report], object]], baseline: Report, current: Report
) -> Iterator[Difference]:
    for name, read in fields.items():
        before, after = read(baseline), read(current)
        if before != after:
            yield _difference(name, before, after)


def _hardware(report: Measured) -> Mapping[str, object]:
    machine = report.environment.hardware
    return {} if machine is None else {name: read(machine) for name, read in _HARDWARE.items()}


def _of_hardware(baseline: Report, current: Report) -> Iterator[Difference]:
    """Differences in what both know."""
    before, after = _hardware(baseline), _hardware(current)
    for name, value in before.items():
        other = after.get(name)
        if value is not None and other is not None and value != other:
            yield _difference(name, value, other)


def _quotas(quotas: tuple[float, ...] | None) -> str | None:
    return None if quotas is None else ", ".join(f"{each:g}" for each in quotas) or "none"


def _packages(baseline: Report, current: Report) -> Iterator[Difference]:
    before, after = baseline.environment.packages, current.environment.packages
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield _difference(name, before.get(name), after.get(name))


def _difference(name: str, before: object, after: object) -> Difference:
    if isinstance(before, str) and isinstance(after, str) and len(before) + len(after) > _LONG:
        before, after = _own_words(before, after), _own_words(after, before)
    return Difference(field=name, baseline=_said(before), current=_said(after))


def _own_words(text: str, other: str) -> str:
    """The words of a long text that the other one lacks."""
    words = set(text.split()) - set(other.split())
    return f"has {' '.join(sorted(words))}" if words else "has nothing more"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
