"""Which runs are joined: of each machine the newest complete one of the same model, data and sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from crossrt.core.errors import CrossrtError
from crossrt.core.owned import open_regular
from crossrt.fleet.errors import FleetError
from crossrt.reports.schema.files import MOST_BYTES, UNREADABLE, read_report
from crossrt.reports.schema.records import Environment, Report, Run
from crossrt.reports.verdicts.comparison.comparable import environment_key

Place = TypeVar("Place")
SHORT: Final = 8
"""Digits of a key that names an environment, as in the list of a history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a run is joined by, and when it was.

    Attributes:
        machine: Key of everything that must be equal for times to be compared.
        name: What its people call the machine, where they say so.
        subject: Key of model, data, task and sizes of dynamic dimensions.
        started_at: ISO 8601 in UTC.
        run: The run's id.
        is_complete: Whether it was not interrupted.
    """

    machine: str
    name: str | None
    subject: str
    started_at: str
    run: str
    is_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One machine's newest run.

    Attributes:
        key: Of the machine and its settings.
        name: What its people call it; None where neither this run nor others on the same hardware say so.
        report: Of the run.
        older: How many older runs of the same on this machine are not shown.
    """

    key: str
    name: str | None
    report: Report
    older: int


@dataclass(slots=True, kw_only=True)
class Chosen:
    """What is joined, and what is not, with the reason.

    Attributes:
        groups: The machines of each subject, by its key, in the order in which they were found.
        left_out: What was not joined, by the name of the file or run.
    """

    groups: dict[str, list[Member]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


class _Data(Struct):
    fingerprint: str


class Glimpse(Struct):
    """The fields of a report file by which runs are joined: enough to say whether the rest has to be read."""

    schema_version: Literal[2]
    run: Run
    environment: Environment
    data: _Data
    task: str
    model_sha256: str | None = None
    dimensions: dict[str, int] = {}


def about(report: Report | Glimpse) -> About:
    """What a report is joined by."""
    return About(
        machine=environment_key(report),
        name=report.environment.name,
        subject=subject_key(report.model_sha256, report.data.fingerprint, report.task, report.dimensions),
        started_at=report.run.started_at,
        run=report.run.id,
        is_complete=report.run.status == "complete",
    )


def subject_key(model: str | None, data: str | None, task: str, dimensions: Mapping[str, int]) -> str:
    """Names what two runs must have in common to stand in one table: 64 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode([model, data, task, sorted(dimensions.items())])).hexdigest()


def choose_files(paths: Sequence[Path]) -> Chosen:
    """Joins report files; only the newest of each machine are read as a whole.

    A file that cannot be read is left out and named: a machine that broke does not hide the others.

    Args:
        paths: Of report files.

    Raises:
        FleetError: None of them can be joined.
    """
    chosen = Chosen()
    known: list[tuple[About, Path]] = []
    for path in paths:
        try:
            known.append((_glance(path), path))
        except CrossrtError as error:
            chosen.left_out[str(path)] = str(error)
    for found, path, older in newest(known, chosen):
        try:
            member = Member(key=found.machine, name=found.name, report=read_report(path), older=older)
        except CrossrtError as error:
            chosen.left_out[str(path)] = str(error)
            continue
        chosen.groups.setdefault(found.subject, []).append(member)
    if not chosen.groups:
        reasons = "; ".join(dict.fromkeys(chosen.left_out.values())) or "there are none"
        raise FleetError(f"none of {len(paths)} reports can be joined: {reasons}")
    return chosen


def newest(known: Iterable[tuple[About, Place]], chosen: Chosen) -> Iterator[tuple[About, Place, int]]:
    """The newest complete run of each machine and subject, and how many older ones there are.

    Machines of equal hardware are distinguished by their names. A run without a name is of the machine that has one,
    where only one of that hardware has, whatever it measured. A run that is there twice, such as in a folder and its
    copy, counts once. Interrupted runs are noted in `chosen`.
    """
    complete = []
    for each, place in known:
        if each.is_complete:
            complete.append((each, place))
        else:
            chosen.left_out[each.run] = "the run was interrupted"
    only = _only_names(each for each, _ in complete)
    runs: dict[tuple[str, str, str | None], dict[str, tuple[About, Place]]] = {}
    for each, place in complete:
        named = replace(each, name=each.name or only.get(each.machine))
        runs.setdefault((named.subject, named.machine, named.name), {}).setdefault(named.run, (named, place))
    for found in runs.values():
        last, place = max(found.values(), key=lambda pair: (pair[0].started_at, pair[0].run))
        yield last, place, len(found) - 1


def _only_names(found: Iterable[About]) -> dict[str, str]:
    """The name of each key that has one, and no more than one."""
    names: dict[str, set[str]] = {}
    for each in found:
        if each.name:
            names.setdefault(each.machine, set()).add(each.name)
    return {key: next(iter(those)) for key, those in names.items() if len(those) == 1}


def _glance(path: Path) -> About:
    """What a file is joined by; one of an earlier version, or a damaged one, is read as a whole."""
    try:
        with open_regular(path) as file:
            return about(msgspec.json.decode(file.read(MOST_BYTES + 1), type=Glimpse))
    except (OSError, *UNREADABLE):
        return about(read_report(path))
