"""Reading and writing report files."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from crossrt.core.errors import CrossrtError, parsing_problem
from crossrt.core.owned import open_regular
from crossrt.core.scratch import owned_folder
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.checks import check_duel, check_report
from crossrt.reports.schema.records import SCHEMA_VERSION, Duel, Report
from crossrt.reports.schema.upgrade import upgraded_duel, upgraded_report
from crossrt.reports.schema.version1 import Duel1, Report1

SESSION = "pytest"
"""Kind of the file that `pytest --crossrt-save FILE` writes."""
MOST_BYTES = 256 * 2**20
_XZ: Final = b"\xfd7zXZ\x00"
_MOST_DICTIONARY_BYTES: Final = 128 * 2**20
"""What `xz -9` asks for, twice."""
HALF_WRITTEN = ".crossrt-half-written-"
"""How the folders are called in which files are written before they are renamed."""
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_LOG = logging.getLogger("crossrt.files")

Saved = TypeVar("Saved", Report, Duel, Report1, Duel1)


class _Header(msgspec.Struct):
    """What tells the kinds of files apart: only the record of a search has confirmations."""

    schema_version: int
    kind: str | None = None
    confirmations: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def read_report(path: Path) -> Report:
    """Reads a report of this or an earlier schema version and checks it.

    Raises:
        ReportError: Missing, damaged, of a newer version, or not a report.
    """
    return read_hashed_report(path)[0]


def read_hashed_report(path: Path) -> tuple[Report, str]:
    """A report, and the sha256 of the file's bytes; raises `ReportError` like `read_report`."""
    raw, header = _read_header(path)
    if header.kind == "duel":
        raise ReportError(
            f"{path} is an A/B comparison, not a report of crossrt bench: crossrt show prints it, and a.json and b.json"
            " beside it are reports of its sides"
        )
    return _report_of(raw, header, str(path)), hashlib.sha256(raw).hexdigest()


def read_duel(path: Path) -> Duel:
    """Reads an A/B comparison and checks it; raises `ReportError` like `read_report`."""
    raw, header = _read_header(path)
    if header.kind != "duel":
        raise ReportError(f"{path} is not an A/B comparison: crossrt duel writes them as duel.json")
    return _duel_of(raw, header, str(path))


def is_duel(path: Path) -> bool:
    """True if a file holds an A/B comparison; raises `ReportError` where it is not one of ours."""
    return _read_header(path)[1].kind == "duel"


def decode_report(raw: bytes, name: str) -> Report:
    """A report from the bytes of its file, wherever they are kept.

    Args:
        raw: UTF-8 JSON.
        name: What to call it in messages.

    Raises:
        ReportError: Like `read_report`.
    """
    return _report_of(raw, _header(raw, name), name)


def _read_header(path: Path) -> tuple[bytes, _Header]:
    raw = read_unpacked(path)
    return raw, _header(raw, str(path))


def _header(raw: bytes, name: str) -> _Header:
    try:
        header = msgspec.json.decode(raw, type=_Header)
    except UNREADABLE as error:
        if not raw.strip():
            problem = "it is empty"
        elif raw.lstrip()[:1] in (b"{", b"["):
            problem = parsing_problem(error)
        else:
            problem = "expected a report.json, as crossrt bench writes it"
        raise ReportError(f"{name} is not a crossrt report: {problem}") from error
    kept = "search" if header.confirmations is not msgspec.UNSET else header.kind
    if kept in ("search", "bisection"):
        raise ReportError(
            f"{name} is the result of a {kept}, not a report of crossrt bench: crossrt report {name} --html PAGE shows"
            f" the {kept} in it"
        )
    if header.schema_version > SCHEMA_VERSION:
        raise ReportError(
            f"{name} has schema version {header.schema_version}; this crossrt reads up to {SCHEMA_VERSION}:"
            " update crossrt to show it"
        )
    if header.kind == SESSION:
        raise ReportError(
            f"{name} holds the reports of a pytest session, by test: compare a session with it by pytest"
            f" --crossrt-baseline {name}; saved with --crossrt-save FOLDER, reports are files that this command reads"
        )
    return header


def _report_of(raw: bytes, header: _Header, name: str) -> Report:
    if header.schema_version == SCHEMA_VERSION:
        report = _decode(raw, Report, name)
    else:
        old = _decode(raw, Report1, name)
        with _named(name):
            report = upgraded_report(old)
    with _named(name):
        check_report(report)
    return report


def _duel_of(raw: bytes, header: _Header, name: str) -> Duel:
    if header.schema_version == SCHEMA_VERSION:
        duel = _decode(raw, Duel, name)
    else:
        old = _decode(raw, Duel1, name)
        with _named(name):
            duel = upgraded_duel(old)
    with _named(name):
        check_duel(duel)
    return duel


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except CrossrtError as error:
        raise ReportError(f"{name} is damaged or was edited by hand: {error}") from error


def _decode(raw: bytes, kind: type[Saved], name: str) -> Saved:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise ReportError(f"{name} is damaged or was edited by hand: {parsing_problem(error)}") from error


def read_unpacked(path: Path) -> bytes:
    """All bytes of a file, or those that it packs by xz.

    Raises:
        ReportError: It cannot be read or unpacked, or is larger than any result.
    """
    _LOG.info("reading %s", path)
    try:
        with open_regular(path) as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ReportError(f"{path} does not exist: name a report.json or the folder of a run") from error
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    if raw.startswith(_XZ):
        raw = _unpacked(raw, path)
    if len(raw) > MOST_BYTES:
        raise ReportError(f"{path} has more than {MOST_BYTES} bytes: no report is that large")
    return raw


def _unpacked(packed: bytes, path: Path) -> bytes:
    """What an .xz file holds, as far as a report may be large and a little further; its dictionary is bounded, too."""
    import lzma  # not at import: few reports are packed

    unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_DICTIONARY_BYTES)
    try:
        raw = unpacking.decompress(packed, MOST_BYTES + 1)
    except lzma.LZMAError as error:
        raise ReportError(f"{path} cannot be unpacked: {str(error).lower()}") from error
    if len(raw) <= MOST_BYTES and not unpacking.eof:
        raise ReportError(f"{path} cannot be unpacked: it ends before its end; copy it again")
    if rest := unpacking.unused_data.lstrip(b"\0"):  # zeros may fill a file up, by the format
        raise ReportError(
            f"{path} is damaged: {len(rest):,} bytes follow the end of what xz packed; copy it again, or pack the"
            " report anew"
        )
    return raw


def write_report(report: Report | Duel, path: Path) -> None:
    """Writes a report: it appears whole or not at all. Text that is not Unicode loses its odd characters.

    Raises:
        ReportError: It would not be read again, the folder cannot be written, or the disk is full.
    """
    if path.is_dir():
        raise ReportError(f"{path} is a folder: name a file in it, such as {path / 'report.json'}")
    content = _encoded(report)
    _check_written(content, path)
    write_atomically(path, content + b"\n")


def _encoded(report: Report | Duel) -> bytes:
    try:
        return msgspec.json.encode(report)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(msgspec.to_builtins(report)))


def problem_of(report: Report) -> str | None:
    """Why a report would not be read again if it were written, or None."""
    try:
        content = _encoded(report)
        _report_of(content, _header(content, "it"), "it")
    except ReportError as error:
        return str(error)
    return None


def _check_written(content: bytes, path: Path) -> None:
    """Reads back what is about to be written, such as a number that JSON cannot hold."""
    header = _header(content, str(path))
    try:
        if header.kind == "duel":
            _duel_of(content, header, str(path))
        else:
            _report_of(content, header, str(path))
    except ReportError as error:
        raise ReportError(f"not written, as it could not be read again: {error}") from error


def _without_surrogates(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode(errors="replace").decode()
    if isinstance(part, dict):
        return {_without_surrogates(key): _without_surrogates(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_without_surrogates(each) for each in part]
    return part


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file beside its target, forces it to disk, then renames it.

    Raises:
        ReportError: The folder cannot be written, or the disk is full; the old file, if any, is untouched.
    """
    write_together({path: (content,)})


def write_together(files: Mapping[Path, Iterable[bytes]]) -> None:
    """Likewise for files that belong together, each in parts: none is renamed before all are on disk.

    What a link leads to is replaced, not the link; a device or a pipe is written to.

    Raises:
        ReportError: A folder cannot be written, or the disk is full; the old files, if any, are untouched.
    """
    with ExitStack() as half_written:
        folders: dict[Path, Path] = {}
        renames = []
        for path, parts in files.items():
            with _explained(path):
                renames += _staged(path.resolve() if path.is_symlink() else path, parts, folders, half_written)
        for staged, target in renames:
            with _explained(target):
                staged.replace(target)


def _staged(
    path: Path, parts: Iterable[bytes], folders: dict[Path, Path], half_written: ExitStack
) -> list[tuple[Path, Path]]:
    """The file near its target, and the target; nothing for a device, which has taken the parts already.

    `folders` holds a folder in each folder that is written to; one that a killed process left is removed with that.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            device.writelines(parts)
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent not in folders:
        folders[path.parent] = half_written.enter_context(owned_folder(path.parent, HALF_WRITTEN))
    staged = folders[path.parent] / path.name
    with staged.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    return [(staged, path)]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; free space or choose another place") from error
