"""The folder of a search: its report, which is saved after every candidate, and the best file so far."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from crossrt.analysis.search.keeping import Keeping
from crossrt.analysis.search.result import (
    REPORT,
    SCHEMA_VERSION,
    Candidate,
    Confirmation,
    NodeSensitivity,
    SearchReport,
    SearchStatus,
)
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import parsing_problem
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.exported import MANIFEST_SUFFIX, write_folder
from crossrt.harness.errors import HarnessError
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import read_unpacked

BEST: Final = "best"
"""Variant of the file that is shipped."""


def read_search(folder: Path) -> SearchReport | None:
    """The report in a folder, or None where there is none.

    Raises:
        HarnessError: It is damaged, or of another version.
    """
    path = folder / REPORT
    return read_search_file(path) if path.exists() else None


def read_search_file(path: Path) -> SearchReport:
    """A report by its file; raises `HarnessError` like `read_search`."""
    try:
        found = msgspec.json.decode(read_unpacked(path), type=SearchReport)
    except (ReportError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HarnessError(
            f"{path} is not the report of a search ({parsing_problem(error)}): delete it, or choose another --out"
        ) from error
    if found.schema_version != SCHEMA_VERSION:
        raise HarnessError(f"{path} has schema version {found.schema_version}; this crossrt reads {SCHEMA_VERSION}")
    return found


class Ledger:
    """What was found so far; all of it is on disk whenever a method returns."""

    def __init__(self, report: SearchReport, keeping: Keeping, folder: Path, began: float) -> None:
        """`began` is the moment of `time.monotonic` at which the search began."""
        self.report, self.keeping, self._folder = report, keeping, folder
        self._began, self._before_s = began, report.took_s

    def known(self, recipe: Mapping[str, Any]) -> Candidate | None:
        """A candidate that was tried before, in this run or in one that was interrupted."""
        return next((each for each in self.report.candidates if each.recipe == recipe), None)

    def add(self, candidate: Candidate, artifact: ModelArtifact | None) -> Candidate:
        """Adds a candidate, or puts it in the place of the one of its name; the best file is saved with it."""
        others = self.report.candidates
        if self.report.candidate(candidate.name) is None:
            others = (*others, candidate)
        else:
            others = tuple(candidate if each.name == candidate.name else each for each in others)
        self._change(candidates=others)
        if artifact is not None and self.keeping.best(others) is candidate and not self.report.confirmations:
            self.keep(candidate, artifact)
        self.save()
        return candidate

    def keep(self, candidate: Candidate, artifact: ModelArtifact) -> None:
        """Saves a candidate's file as the best."""
        saved = dataclasses.replace(artifact, variant=BEST)
        write_folder(Artifacts(artifacts={saved.id: saved}), self._folder)
        self._change(best=candidate.name, file=saved.id, file_sha256=saved.sha256)
        self.save()

    def drop_best(self) -> None:
        """Removes the saved file: it is known to be slower than the float file."""
        if self.report.file is not None:
            for name in (self.report.file, f"{self.report.file}{MANIFEST_SUFFIX}"):
                with suppress(OSError):
                    (self._folder / name).unlink()
        self._change(best=None, file=None, file_sha256=None)
        self.save()

    def note(self, text: str) -> None:
        """Something that a reader must know."""
        if text not in self.report.notes:
            self._change(notes=(*self.report.notes, text))

    def sensitivities(self, found: tuple[NodeSensitivity, ...], base: str) -> None:
        """What each unit does by itself, quantized as in a whole-model recipe."""
        self._change(sensitivities=found, sensitivity_base=base)
        self.save()

    def confirm(self, found: Confirmation) -> None:
        """A judgement on the samples kept aside."""
        self._change(confirmations=(*self.report.confirmations, found))
        self.save()

    def end(self, status: SearchStatus, sentence: str) -> SearchReport:
        """The search is over."""
        self._change(status=status, sentence=sentence)
        self.save()
        return self.report

    def save(self) -> None:
        """Writes the report beside and renames it; raises `HarnessError` where that cannot be done."""
        self._change(took_s=round(self._before_s + time.monotonic() - self._began, 3))
        content = msgspec.json.format(msgspec.json.encode(self.report), indent=2) + b"\n"
        write_atomically(self._folder / REPORT, content)

    def _change(self, **fields: Any) -> None:
        self.report = msgspec.structs.replace(self.report, **fields)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that is whole at every moment; raises `HarnessError` where the folder cannot be written."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error.strerror}; choose another --out") from error
