"""Report files as a user names them, one after the other into a history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossrt.history.store.adding import KnownRunError, add_entry
from crossrt.history.store.address import Address
from crossrt.history.store.database import History, open_history
from crossrt.history.store.entries import Entry, read_entry_file
from crossrt.reports.errors import ReportError
from crossrt.reports.text.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one report file.

    Attributes:
        path: The file.
        outcome: Added, known already, or refused.
        run: Its run's id, where it could be read.
        status: Whether that run was complete or interrupted.
        reason: Why it was refused.
    """

    path: Path
    outcome: Literal["added", "known", "refused"]
    run: str | None = None
    status: str | None = None
    reason: str | None = None


def add_files(address: Address, files: Sequence[Path]) -> Iterator[Added]:
    """Adds reports, each in a transaction of its own; one that is refused does not stop the others.

    The history is begun with the first report that can be read.

    Raises:
        ReportError: The database failed; the message says what was added before.
    """
    added = 0
    with ExitStack() as stack:
        history: History | None = None
        for path in files:
            try:
                _check_name(path)
                entry = read_entry_file(path)
            except ReportError as error:
                yield Added(path=path, outcome="refused", reason=str(error))
                continue
            try:
                history = history or stack.enter_context(open_history(address, writes=True))
                found = _add(history, path, entry)
            except ReportError as error:
                raise ReportError(f"{error}. {_progress(added, path, len(files))}") from error
            added += found.outcome == "added"
            yield found


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ReportError(f"{printable(str(path))}: a history keeps names in UTF-8, which this one is not") from error


def _add(history: History, path: Path, entry: Entry) -> Added:
    run = entry.report.run
    try:
        with history.writing() as connection:
            outcome = add_entry(connection, entry)
    except KnownRunError as error:
        return Added(path=path, outcome="refused", run=run.id, reason=str(error))
    return Added(path=path, outcome=outcome, run=run.id, status=run.status)


def _progress(added: int, path: Path, wanted: int) -> str:
    if wanted == 1:
        return f"{path} was not added"
    return f"{added} of {wanted} reports were added before that, {path} was not: the same command goes on there"
