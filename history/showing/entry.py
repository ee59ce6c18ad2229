"""One run of a history: where its report is, and its tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from crossrt.core.owned import open_regular
from crossrt.history.judging.selection import SHORT
from crossrt.history.store.entries import Entry
from crossrt.reports.schema.records import Metric, Run, Status
from crossrt.reports.tables.summary import Summary
from crossrt.reports.tables.terminal import print_sheet, print_warnings
from crossrt.reports.text.printable import printable

FileState = Literal["there", "missing", "changed"]


def file_state(path: Path, sha256: str) -> FileState:
    """Whether a report file is still what was added."""
    try:
        with open_regular(path) as file:
            return "there" if hashlib.file_digest(file, "sha256").hexdigest() == sha256 else "changed"
    except OSError:
        return "missing"


class ShownRun(Struct, frozen=True, kw_only=True):
    """A run as JSON.

    Attributes:
        schema_version: Of this record.
        report: Where the report file was.
        file: Whether it is still there, and what was added.
        environment: Key of what must be equal for times to be compared.
        git_revision: Of the folder in which it was started.
        git_dirty: Whether that had uncommitted changes.
        run: As in the report.
        cases: Each case and what became of it.
        metrics: As in the report.
    """

    schema_version: Literal[1] = 1
    report: str
    file: FileState
    environment: str
    git_revision: str | None
    git_dirty: bool | None
    run: Run
    cases: tuple[ShownCase, ...]
    metrics: tuple[Metric, ...]


class ShownCase(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case of a run as JSON."""

    case: str
    status: Status
    reason: str | None = None


def shown_run(entry: Entry) -> ShownRun:
    """What the history holds of a run."""
    report = entry.report
    return ShownRun(
        report=entry.path,
        file=file_state(Path(entry.path), entry.sha256),
        environment=entry.environment,
        git_revision=report.environment.git_revision,
        git_dirty=report.environment.git_dirty,
        run=report.run,
        cases=tuple(ShownCase(case=each.case, status=each.status, reason=each.reason) for each in report.results),
        metrics=report.metrics,
    )


def print_entry(entry: Entry, console: Console) -> None:
    """Prints the tables of a run, as `crossrt show` does, but for what only raw samples tell."""
    summary = Summary(entry.report)
    print_warnings(entry.report, console)
    for line in (*summary.headline(), *_origin(entry)):
        console.print(Text(printable(line), style="dim"))
    for sheet in summary.sheets():
        console.print()
        print_sheet(sheet, console)
    console.print()
    for note in summary.notes():
        console.print(Text(printable(note), style="dim"))


def _origin(entry: Entry) -> Iterator[str]:
    revision = entry.report.environment.git_revision
    dirty = ", with uncommitted changes" if entry.report.environment.git_dirty else ""
    yield f"git {revision[:12]}{dirty}" if revision else "git revision unknown"
    yield f"environment {entry.environment[:SHORT]}"
    state = file_state(Path(entry.path), entry.sha256)
    yield {
        "there": f"raw samples: {entry.path}",
        "missing": f"raw samples: {entry.path} is MISSING; what is shown here is kept in the history",
        "changed": f"raw samples: {entry.path} has CHANGED since it was added; what is shown here is as it was added",
    }[state]
