"""Reading and writing report files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from reports.errors import ReportError
from reports.schema import SCHEMA_VERSION, Report

MOST_BYTES = 256 * 2**20
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Versioned(msgspec.Struct):
    schema_version: int


def read_report(path: Path) -> Report:
    """Reads a report and checks it against the schema.

    Raises:
        ReportError: Missing, damaged, of a newer version, or not a report.
    """
    raw = _read_bytes(path)
    try:
        version = msgspec.json.decode(raw, type=_Versioned).schema_version
    except UNREADABLE as error:
        raise ReportError(f"{path} is not a crossrt report: {error}") from error
    if version > SCHEMA_VERSION:
        raise ReportError(
            f"{path} has schema version {version}; this crossrt reads up to {SCHEMA_VERSION}: update crossrt to show it"
        )
    try:
        return msgspec.json.decode(raw, type=Report)
    except UNREADABLE as error:
        raise ReportError(f"{path} is damaged or was edited by hand: {error}") from error


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise ReportError(f"{path} has more than {MOST_BYTES} bytes: no report is as large")
    return raw


def write_report(report: Report, path: Path) -> None:
    """Writes a report: it appears whole or not at all. Text that is no Unicode loses its odd signs.

    Raises:
        ReportError: The folder cannot be written, or the disk is full.
    """
    try:
        content = msgspec.json.encode(report)
    except UnicodeEncodeError:
        content = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(report)))
    write_atomically(path, content + b"\n")


def _without_surrogates(part: Any) -> Any:
    if isinstance(part, str):
        return part.encode(errors="replace").decode()
    if isinstance(part, dict):
        return {_without_surrogates(key): _without_surrogates(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_without_surrogates(each) for each in part]
    return part


def _umask() -> int:
    """The user's mask, which temporary files ignore; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file beside its target, forces it to disk, then renames it.

    Raises:
        ReportError: The folder cannot be written, or the disk is full; the old file, if any, is untouched.
    """
    half_written: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            half_written = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half_written.chmod(0o666 & ~_umask())
        half_written.replace(path)
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}; free space or choose another --out") from error
    finally:
        if half_written is not None:
            half_written.unlink(missing_ok=True)
