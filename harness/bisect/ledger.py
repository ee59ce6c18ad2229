"""The folder of a bisection: what was found so far is on disk whenever a step is over."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from crossrt.analysis.bisection.record import REPORT, SCHEMA_VERSION, BisectionReport
from crossrt.core.errors import parsing_problem
from crossrt.core.owned import read_regular
from crossrt.harness.bisect.request import BisectRequest
from crossrt.harness.errors import HarnessError
from crossrt.harness.search.ledger import write_atomically


class BisectionLedger:
    """What is known, and its file."""

    def __init__(self, request: BisectRequest) -> None:
        """Reads what an earlier run with the same request found, unless that is left aside.

        Raises:
            HarnessError: The file is damaged, or the folder cannot be written.
        """
        self.path = request.folder / REPORT
        found = None if request.is_fresh else self._read()
        self.is_resumed = found is not None and found.ends is not None
        self.report = found or BisectionReport(
            identity=request.identity,
            crossrt_version=version("crossrt"),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            case=request.case,
            runtime=request.runtime.text,
            package="",
            good=request.good,
            bad=request.bad,
            margin=request.margin,
            tolerance=request.tolerance,
        )

    def change(self, **fields: Any) -> BisectionReport:
        """Changes what is known, and saves it.

        Raises:
            HarnessError: The folder cannot be written.
        """
        self.report = msgspec.structs.replace(self.report, **fields)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"{self.path.parent} cannot be made: {error.strerror}; choose another --out") from error
        write_atomically(self.path, msgspec.json.format(msgspec.json.encode(self.report), indent=2) + b"\n")
        return self.report

    def _read(self) -> BisectionReport | None:
        if not self.path.exists():
            return None
        try:
            return read_bisection(self.path)
        except HarnessError as error:
            raise HarnessError(f"{error}: --fresh begins again") from error


def read_bisection(path: Path) -> BisectionReport:
    """A saved bisection.

    Raises:
        HarnessError: The file is none, or is damaged.
    """
    try:
        return msgspec.json.decode(read_regular(path), type=BisectionReport)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        said = parsing_problem(error)
        raise HarnessError(
            f"{path} is damaged or is not a bisection of schema version {SCHEMA_VERSION}: {said}"
        ) from error
