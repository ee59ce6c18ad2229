"""Keeping what a run found, whatever becomes of the folder and the terminal meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from crossrt.core.errors import CrossrtError
from crossrt.core.scratch import remove_abandoned
from crossrt.core.system_errors import system_problem
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.interrupts import interruptible
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import HALF_WRITTEN, write_report
from crossrt.reports.schema.records import Duel, Report


class Saved:
    """Where a run was saved.

    Attributes:
        is_elsewhere: True if something is not where it was asked for, which is not a success.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self.is_elsewhere = False

    @property
    def path(self) -> Path:
        """The file that holds the run."""
        assert self._path is not None, "asked where a run is before it was saved"
        return self._path

    def write(self, found: Report | Duel, path: Path) -> None:
        """Writes what a run found; where the folder cannot be written any more, somewhere else, and says so.

        Raises:
            ReportError: It cannot be written anywhere.
        """
        _tidy(path.parent.parent)
        try:
            write_report(found, path)
        except ReportError as error:
            with suppress(OSError):
                path.parent.rmdir()  # only if it is empty: an earlier round may have been kept there
            kept = _kept(found, path.name)
            if kept is None:
                raise
            click.echo(f"crossrt: {error}. The run was saved as {kept}", err=True)
            path, self.is_elsewhere = kept, True
        self._path = path

    def write_beside(self, found: Report | Duel, name: str) -> None:
        """Writes another file beside the run, which has all that is in it: one that cannot be written is a message."""
        try:
            write_report(found, self.path.with_name(name))
        except ReportError as error:
            self.is_elsewhere = True
            click.echo(f"crossrt: {error}", err=True)

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Says where the run is if it cannot be printed, or if that is interrupted; also around the run itself.

        Signals that follow the first one closely ask for the same thing, and cut nothing else short.
        """
        with interruptible() as interrupts:
            try:
                yield
            except BrokenPipeError:  # whoever reads has seen enough
                raise
            except BaseException as error:
                interrupts.settle()
                if self._path is not None:
                    why = "interrupted" if isinstance(error, KeyboardInterrupt) else system_problem(error)
                    click.echo(
                        f"crossrt: the results were not printed ({why}); they are saved in {self._path}", err=True
                    )
                raise


def _tidy(out: Path) -> None:
    """Removes what runs left that were killed while they saved: the half-written file, and their folder with it."""
    for half_written in out.glob(f"*/{HALF_WRITTEN}*"):
        remove_abandoned(half_written.parent, HALF_WRITTEN)
        with suppress(OSError):
            half_written.parent.rmdir()  # only if it is empty


def _kept(found: Report | Duel, name: str) -> Path | None:
    """Writes a run to a folder of its own that nobody else can write, in the first place that has room."""
    for place in (tempfile.gettempdir, cache_folder, Path.home):
        try:
            folder = Path(tempfile.mkdtemp(prefix="crossrt-saved-", dir=place()))
        except (CrossrtError, OSError, RuntimeError):
            continue
        try:
            write_report(found, folder / name)
        except ReportError:
            with suppress(OSError):
                folder.rmdir()
            continue
        return folder / name
    return None
