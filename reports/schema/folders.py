"""Reports in folders, as they are or packed by xz."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossrt.reports.errors import ReportError

NAME: Final = "report.json"
PACKED: Final = ".xz"
"""What `xz` puts behind the name of a file that it packs."""


def kept_file(folder: Path, name: str = NAME) -> Path | None:
    """A file of a folder as it is, or else packed by xz; None where it is in neither form."""
    return next((path for path in (folder / name, folder / f"{name}{PACKED}") if path.is_file()), None)


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

    walked = (Path(here) for here, _, _ in os.walk(folder, onerror=refuse))
    return sorted(found for here in walked if (found := kept_file(here)) is not None)
