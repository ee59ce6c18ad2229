"""Scratch folders that nobody leaves behind: each is locked while it is used, and the next run removes the others.

The system drops a lock when its process dies, however that happens. So a folder that can be locked has no owner any
more, and one that cannot is never touched, whatever its age.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOCK: Final = ".in-use"
STAGING: Final = ".staging-"
"""How folders begin in which something is made that then moves to its place beside them."""


@contextmanager
def owned_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that lasts as long as this block; what dead processes left beside it is removed first.

    Args:
        parent: Where it is made.
        prefix: How its name begins; nobody else may give a folder in `parent` such a name.

    Raises:
        OSError: It cannot be made.
    """
    remove_abandoned(parent, prefix)
    folder, descriptor = _made(parent, prefix)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(descriptor)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Removes this user's folders of that prefix whose owners are dead; what cannot be removed stays."""
    try:
        entries = list(os.scandir(parent))
    except OSError:
        return
    for entry in entries:
        with suppress(OSError):
            if entry.name.startswith(prefix) and _is_own_folder(entry):
                _remove_if_abandoned(Path(entry.path))


def _is_own_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid()


def _remove_if_abandoned(folder: Path) -> None:
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        folder.rmdir()  # its owner died, or was faster, before it was locked: it is empty, or not ours
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(descriptor)


def _made(parent: Path, prefix: str) -> tuple[Path, int]:
    """A locked folder, and the descriptor that holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileNotFoundError:
            continue  # another process found it empty and took it for abandoned
        if _is_held(descriptor, folder):
            return folder, descriptor
        os.close(descriptor)


def _is_held(descriptor: int, folder: Path) -> bool:
    """Locks; False where another process was faster, which removes the folder."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: nobody can take it for abandoned there
    return (folder / LOCK).exists()


def _remove(folder: Path) -> None:
    """Removes the lock last: what is interrupted here is finished by the next run."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name == LOCK:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)
        if all(entry.name == LOCK for entry in os.scandir(folder)):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()
