"""Baselines: what `--crossrt-save` wrote, report by report of each test, or a report of `crossrt bench`.

A file holds the reports of a whole session by test; in a folder each report is a file that every command reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from crossrt.core.owned import read_regular
from crossrt.harness.errors import HarnessError
from crossrt.reports.schema.files import SESSION, decode_report, read_report, write_atomically
from crossrt.reports.schema.folders import kept_file
from crossrt.reports.schema.records import SCHEMA_VERSION, Report

_LONGEST_NAME: Final = 80


class SavedSession(msgspec.Struct, frozen=True, kw_only=True):
    """The reports of a session, each test's in the order in which it measured."""

    schema_version: int
    kind: str
    reports: dict[str, tuple[msgspec.Raw, ...]]


class _Header(msgspec.Struct):
    schema_version: int = 0
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What a test is compared with.

    Attributes:
        reports: One for each time that the test measures, in order; of a plain report the same one every time.
        is_plain: Whether it is a report of `crossrt bench`, which may hold more cases than the test measures.
    """

    reports: tuple[Report, ...]
    is_plain: bool = False


def read_baseline(path: Path, test: str) -> Baseline | None:
    """The baseline of a test, or None where nothing was saved for it.

    Raises:
        ReportError: A report cannot be read.
        HarnessError: The file is neither.
    """
    if path.is_dir():
        plain = kept_file(path)
        files = [plain] if plain is not None else _files_of(path, test)
        found = tuple(read_report(each) for each in files)
        return Baseline(reports=found, is_plain=plain is not None) if found else None
    if not path.exists():
        return None
    try:
        raw = read_regular(path)
    except OSError as error:
        raise HarnessError(f"the baseline {path} cannot be read: {error.strerror}") from error
    if not _is_session(raw):
        return Baseline(reports=(read_report(path),), is_plain=True)
    parts = _session(raw, path).reports.get(test, ())
    return (
        Baseline(reports=tuple(decode_report(part, f"{path}, {test}") for part in map(bytes, parts))) if parts else None
    )


def check_target(path: Path) -> None:
    """Finds out before anything is measured that reports cannot be saved there.

    Raises:
        HarnessError: It is a file of another kind, or cannot be written.
    """
    if path.is_file() and not _is_session(read_regular(path)):
        raise HarnessError(f"--crossrt-save: {path} exists and is not what --crossrt-save wrote: choose another name")


def save_reports(path: Path, reports: Mapping[str, Sequence[bytes]]) -> int:
    """Saves reports by test; those of tests that are not among them stay. How many tests stayed is returned.

    Raises:
        ReportError: It cannot be written.
    """
    if path.suffix != ".json" or path.is_dir():
        return _save_in_folder(path, reports)
    before = _session(read_regular(path), path).reports if path.is_file() else {}
    found = {test: tuple(map(msgspec.Raw, parts)) for test, parts in reports.items()}
    session = SavedSession(schema_version=SCHEMA_VERSION, kind=SESSION, reports={**before, **found})
    write_atomically(path, msgspec.json.encode(session) + b"\n")
    return len(before.keys() - found.keys())


def _save_in_folder(path: Path, reports: Mapping[str, Sequence[bytes]]) -> int:
    before = set(path.glob("*.json"))
    for test, parts in reports.items():
        stale = _files_of(path, test)
        for number, part in enumerate(parts):
            write_atomically(path / _file_name(test, number), part + b"\n")
        for each in stale[len(parts) :]:
            each.unlink()
        before -= set(stale)
    return len({each.name.rpartition("-")[0] for each in before})


def _files_of(path: Path, test: str) -> list[Path]:
    return list(_numbered(path, test))


def _numbered(path: Path, test: str) -> Iterator[Path]:
    number = 0
    while (found := path / _file_name(test, number)).is_file():
        yield found
        number += 1


def _file_name(test: str, number: int) -> str:
    """A name that says which test it is, and that no other test has."""
    plain = re.sub(r"[^\w.=@+]+", "-", test.rpartition("/")[2]).strip("-")[:_LONGEST_NAME]
    return f"{plain}-{sha256(test.encode()).hexdigest()[:8]}-{number + 1}.json"


def _is_session(raw: bytes) -> bool:
    try:
        return msgspec.json.decode(raw, type=_Header).kind == SESSION
    except msgspec.MsgspecError:
        return False


def _session(raw: bytes, path: Path) -> SavedSession:
    try:
        found = msgspec.json.decode(raw, type=SavedSession)
    except msgspec.MsgspecError as error:
        raise HarnessError(f"{path} is damaged or was edited by hand: {error}") from error
    if found.schema_version > SCHEMA_VERSION:
        raise HarnessError(f"{path} has schema version {found.schema_version}: update crossrt to read it")
    return found
