"""Results of other commands than `bench` that were kept, for `crossrt report FILE --html PAGE`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from crossrt.analysis.bisection.record import REPORT as BISECTION
from crossrt.analysis.search.result import REPORT
from crossrt.core.owned import read_regular
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import read_unpacked
from crossrt.reports.schema.folders import kept_file


class _Kind(msgspec.Struct):
    """What a file says that it is."""

    kind: str = ""


class _Keys(msgspec.Struct, kw_only=True):
    """What tells the kinds of files apart."""

    kind: msgspec.Raw | UnsetType = UNSET
    tables: msgspec.Raw | UnsetType = UNSET
    lines: msgspec.Raw | UnsetType = UNSET
    candidates: msgspec.Raw | UnsetType = UNSET
    confirmations: msgspec.Raw | UnsetType = UNSET


def bisection_at(path: Path) -> Path | None:
    """The file of a bisection, from its kind, from its name where it is damaged, or from its folder; else None."""
    if path.is_dir():
        return path / BISECTION if _is_folder_of(path, BISECTION) else None
    try:
        kind = msgspec.json.decode(read_regular(path), type=_Kind).kind
    except OSError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return path if path.name == BISECTION else None
    return path if kind == "bisection" else None


def kept_page(path: Path) -> Callable[[], str] | None:
    """What makes the page of a search, a bisection, or what a command printed with `--json`; None for anything else.

    Args:
        path: The file, or the folder of a search or a bisection.
    """
    if (bisection := bisection_at(path)) is not None:
        return lambda: _bisection_page(bisection)
    path = path / REPORT if _is_folder_of(path, REPORT) else path
    try:
        keys = msgspec.json.decode(read_unpacked(path), type=_Keys)
    except (ReportError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if keys.candidates is not UNSET and keys.confirmations is not UNSET:
        return lambda: _search_page(path)
    if keys.tables is not UNSET and keys.lines is not UNSET and keys.kind is UNSET:
        return lambda: _printed_page(path)
    return None


def _is_folder_of(path: Path, name: str) -> bool:
    return path.is_dir() and (path / name).is_file() and kept_file(path) is None


def _bisection_page(path: Path) -> str:
    from crossrt.harness.bisect.ledger import read_bisection
    from crossrt.harness.bisect.page import bisection_page

    return bisection_page(read_bisection(path))


def _search_page(path: Path) -> str:
    from crossrt.harness.search.ledger import read_search_file
    from crossrt.harness.search.page import search_page

    return search_page(read_search_file(path))


def _printed_page(path: Path) -> str:
    from crossrt.reports.page.printed_page import printed_page
    from crossrt.reports.tables.recording import Printed

    try:
        printed = msgspec.json.decode(read_unpacked(path), type=Printed)
    except msgspec.MsgspecError as error:
        raise ReportError(f"{path} is not what a command of crossrt printed with --json: {error}") from error
    if not printed.tables:
        raise ReportError(f"{path} holds no table: there is nothing to show")
    return printed_page(printed)
