"""The part of `crossrt report` that writes files of other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.foreign_format import made_elsewhere
from crossrt.cli.shared.verbosity import note
from crossrt.harness.run.saved_runs import report_in
from crossrt.reports.exchange.registry import Output, check_request, convert, format_named, is_foreign_format
from crossrt.reports.schema.files import read_report, write_atomically, write_together
from crossrt.reports.text.printable import for_logs, printable

if TYPE_CHECKING:
    from crossrt.reports.schema.records import Report


def export(paths: Sequence[Path], name: str, out: Path | None) -> None:
    """Converts reports and writes what comes out, or prints it where no file is named.

    Raises:
        ReportError: A report cannot be read, or does not fit the format; nothing was written then.
    """
    files = [report_in(path) for path in paths]
    if is_foreign_format(name):
        reports = [read_report(path) for path in files]
        output, names_commits = made_elsewhere(name, files, out)
    else:
        check_request(name, len(paths), has_out=out is not None)
        reports = [read_report(path) for path in files]
        output, names_commits = convert(name, reports, out or Path()), format_named(name).names_commits
    for remark in _remarks(reports, names_commits=names_commits):
        click.echo(f"crossrt: {printable(remark)}", err=True)
    if out is None:
        click.echo(_encoded(for_logs(output) if isinstance(output, str) else output), nl=False)
        return
    _write(output, out)
    note(f"{name}: {out}")


def _write(output: Output, out: Path) -> None:
    if isinstance(output, Mapping):
        write_together({out / name: (text.encode(),) for name, text in output.items()})
    else:
        write_atomically(out, _encoded(output))


def _encoded(output: Output) -> bytes:
    """Bytes, so that a file reads the same whatever the terminal's encoding is."""
    assert not isinstance(output, Mapping)
    return output.encode() if isinstance(output, str) else output


def _remarks(reports: Sequence[Report], *, names_commits: bool) -> list[str]:
    """What a reader of the files will not see in them."""
    remarks = [
        f"run {each.run.id} was interrupted: it has fewer rounds"
        for each in reports
        if each.run.status == "interrupted"
    ]
    if names_commits:
        remarks += [
            f"run {each.run.id} was made with uncommitted changes: it stands under the commit before them"
            for each in reports
            if each.environment.git_dirty
        ]
    return remarks
