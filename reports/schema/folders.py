"""Reports in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossrt.reports.errors import ReportError

NAME: Final = "report.json"


def report_files(paths: Sequence[Path]) -> list[Path]:
    """Files, and the reports beneath folders; raises `ReportError` for a folder without any."""
    found: list[Path] = []
    for path in paths:
        beneath = _beneath(path) if path.is_dir() else [path]
        if not beneath:
            raise ReportError(f"{path} holds no {NAME}: crossrt bench writes them")
        found += beneath
    return list(dict.fromkeys(found))


def _beneath(folder: Path) -> list[Path]:
    """Reports in a folder, however deep; a folder that cannot be read is told."""

    def refuse(error: OSError) -> None:
        raise ReportError(f"{error.filename} cannot be read: {error.strerror}") from error

    return sorted(Path(here) / NAME for here, _, names in os.walk(folder, onerror=refuse) if NAME in names)
