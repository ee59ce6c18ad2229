"""The folder of a fleet's reports: one for each machine, written whole, and never of two configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from crossrt.core.owned import read_regular
from crossrt.fleet.errors import FleetError
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import decode_report, read_report, write_atomically
from crossrt.reports.schema.records import Report

REPORT: Final = "report.json"
_ABOUT: Final = "fleet.json"


class About(Struct, frozen=True, kw_only=True):
    """What the reports of a folder have in common."""

    config_sha256: str
    arguments: tuple[str, ...]
    crossrt_version: str


class Kept:
    """Reports that are there, and those that come."""

    def __init__(self, folder: Path, about: About) -> None:
        """Goes on where the folder holds reports.

        Raises:
            FleetError: They are of something else.
        """
        self.folder, self.about = folder, about
        path = folder / _ABOUT
        if not path.exists():  # it is written with the first report: what cannot even begin leaves nothing
            return
        try:
            found = msgspec.json.decode(read_regular(path), type=About)
        except (OSError, msgspec.MsgspecError) as error:
            raise FleetError(f"{path} cannot be read ({error}): choose another --out") from error
        if found != about:
            raise FleetError(
                f"{folder} holds reports of another configuration, other arguments or another crossrt: choose another"
                " --out"
            )

    def path(self, machine: str) -> Path:
        """Where the report of a machine is, or will be."""
        return self.folder / machine / REPORT

    def find(self, machine: str) -> Report | None:
        """The complete report of a machine; None where it has to be measured, again if what is there is damaged."""
        try:
            report = read_report(self.path(machine))
        except ReportError:
            return None
        return report if report.run.status == "complete" else None

    def keep(self, machine: str, text: str) -> Report:
        """Saves a report; raises `ReportError` where it is damaged, or cannot be written."""
        report = decode_report(text.encode(), f"the report of {machine}")
        if not (about := self.folder / _ABOUT).exists():
            write_atomically(about, msgspec.json.encode(self.about))
        write_atomically(self.path(machine), text.encode())
        return report
