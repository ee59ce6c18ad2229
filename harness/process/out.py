"""Output folders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from crossrt.harness.errors import HarnessError

_LEAST_BYTES: Final = 2**16
"""A short report."""


def check_writable(folder: Path) -> None:
    """Finds out before the work, not after it, that a folder cannot be written.

    Raises:
        HarnessError: It cannot be made or written.
    """
    try:
        made = _make(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_LEAST_BYTES))  # an empty file finds room on a full disk
        for each in made:  # a run that ends without a result leaves no empty folder
            each.rmdir()
    except OSError as error:
        raise HarnessError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error


def _make(folder: Path) -> list[Path]:
    """Makes a folder and returns what was missing, innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing
