"""Output folders."""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness.errors import HarnessError


def check_writable(folder: Path) -> None:
    """Finds out before the work, not after it, that a folder cannot be written.

    Raises:
        HarnessError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HarnessError(f"{folder} cannot be written ({error.strerror}): choose another --out") from error
