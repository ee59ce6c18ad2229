"""What the cache folder holds, and what of it is removed when the user asks for that."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from crossrt.core.scratch import STAGING, owned_folder
from crossrt.harness.errors import HarnessError
from crossrt.harness.locations import CACHE_VARIABLE, cache_folder, lock_file
from crossrt.runtimes.versions.environments import IN_USE

Kind = Literal["environment", "model file", "converted model", "inspection"]

FOLDERS: Final[dict[str, Kind]] = {
    "environments": "environment",
    "artifacts": "model file",
    "sources": "converted model",
    "inspections": "inspection",
}
_USE_MARKS: Final = (IN_USE, "key")
"""Files of an entry whose time says when it was last used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that the cache holds.

    Attributes:
        kind: What it is.
        path: Its file or folder.
        size_bytes: Of all its files.
        used_at: When it was last used, in seconds since 1970.
        in_use: Whether another process uses it now.
    """

    kind: Kind
    path: Path
    size_bytes: int
    used_at: float
    in_use: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, what was kept although it was chosen, each of those with the reason."""

    removed: Sequence[Entry]
    kept: Sequence[tuple[Entry, str]]


def entries() -> list[Entry]:
    """All that the cache holds: by kind, what was not used for longest first."""
    return [
        each
        for folder, kind in FOLDERS.items()
        for each in sorted(_entries_in(cache_folder() / folder, kind), key=lambda entry: entry.used_at)
    ]


def prune(chosen: Sequence[Entry], *, is_dry: bool = False) -> Pruned:
    """Removes entries, but none that is in use, and no model file while a run measures.

    Raises:
        HarnessError: The cache folder cannot be written.
    """
    removed: list[Entry] = []
    kept: list[tuple[Entry, str]] = []
    for each in chosen:
        reason = _reason_to_keep(each)
        if reason is None and not is_dry:
            _remove(each)
        if reason is None:
            removed.append(each)
        else:
            kept.append((each, reason))
    return Pruned(removed=removed, kept=kept)


def _entries_in(folder: Path, kind: Kind) -> Iterator[Entry]:
    with suppress(FileNotFoundError, NotADirectoryError):
        for each in folder.iterdir():
            if not each.name.startswith("."):
                with suppress(FileNotFoundError):  # gone meanwhile
                    yield Entry(
                        kind=kind,
                        path=each,
                        size_bytes=_size_of(each),
                        used_at=_used_at(each),
                        in_use=kind == "environment" and _is_locked(each / IN_USE),
                    )


def _size_of(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    files = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)  # noqa: PTH118
    return sum(os.lstat(file).st_size for file in files)


def _used_at(path: Path) -> float:
    return max(each.lstat().st_mtime for each in (path, *(path / name for name in _USE_MARKS)) if os.path.lexists(each))


def _is_locked(path: Path) -> bool:
    """True if a process that lives holds a lock on a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _reason_to_keep(entry: Entry) -> str | None:
    if entry.kind == "environment":
        return "a run uses it" if _is_locked(entry.path / IN_USE) else None
    return "a run is measuring" if _is_locked(lock_file()) else None


def _remove(entry: Entry) -> None:
    """Moves an entry away in one step, and removes it there: nobody ever finds a part of it."""
    try:
        with owned_folder(entry.path.parent, STAGING) as staging:
            entry.path.rename(staging / entry.path.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HarnessError(
            f"{entry.path} cannot be removed: {error.strerror or error}; {CACHE_VARIABLE} names another cache folder"
        ) from error


def older_than(found: Sequence[Entry], age_s: float) -> list[Entry]:
    """The entries that were not used for so long."""
    now = time.time()
    return [each for each in found if now - each.used_at >= age_s]


def free_bytes() -> int | None:
    """Room on the disk of the cache folder; None where there is no such folder."""
    try:
        return shutil.disk_usage(cache_folder()).free
    except OSError:
        return None
