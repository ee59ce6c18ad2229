"""What a path is before it is trusted or read: one that nobody else can have written, and a regular file."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

from crossrt.core.errors import CrossrtError

_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotOurOwnError(CrossrtError):
    """What should be ours is a link, belongs to another user, or can be written by others."""


def own_folder(folder: Path) -> Path:
    """The folder itself where only this user can write it, else a folder of this user's own in it; none is made.

    Raises:
        NotOurOwnError: Another user was first to make the latter.
    """
    if not folder.exists() or is_own(folder.resolve()):
        return folder
    inside = folder / f"user-{os.geteuid()}"
    if os.path.lexists(inside) and not is_own(inside):
        raise NotOurOwnError(
            f"{inside} is a link, belongs to another user or can be written by others, so that what is in it cannot be"
            f" trusted: chmod go-w {inside} if it is yours, or choose another folder than {folder}"
        )
    return inside


def make_own(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, which only this user can write.

    Raises:
        OSError: That cannot be done.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o755, exist_ok=True)
        each.chmod(each.stat().st_mode & ~0o022)  # whatever the mask is


def is_own(path: Path) -> bool:
    """True if a file or folder is not a link, is this user's or the system's, and cannot be written by others."""
    try:
        found = path.lstat()
    except OSError:
        return False
    if stat.S_ISLNK(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & stat.S_IWOTH:
        return False
    return not found.st_mode & stat.S_IWGRP or found.st_gid in _private_groups()


def _private_groups() -> set[int]:
    """Groups in which this user is alone, as many systems make for each user."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid())
        group = grp.getgrgid(user.pw_gid)
    except KeyError:
        return set()
    return {group.gr_gid} if group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name} else set()


def open_regular(path: Path) -> BufferedReader:
    """Opens a file to read its bytes; all files that crossrt did not write itself are opened by this.

    Raises:
        OSError: It cannot be opened, or is not a regular file.
    """
    return open(path, "rb", opener=_opened)


def read_regular(path: Path) -> bytes:
    """All bytes of a file; raises `OSError` like `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def irregular(path: Path) -> str | None:
    """What a path is that is there and is neither a regular file nor a folder, in words, or None.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        return _kind(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):  # whoever opens or makes it says so
        return None


def _kind(mode: int) -> str | None:
    found = next((name for is_kind, name in _KINDS if is_kind(mode)), None)
    return found and f"not a regular file but {found}: name a file"


def _opened(name: str, flags: int) -> int:
    _refuse(Path(name).stat(), name)  # opening a device may already do something
    descriptor = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse(os.fstat(descriptor), name)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse(found: os.stat_result, name: str) -> None:
    if (kind := _kind(found.st_mode)) is not None:
        raise OSError(errno.EINVAL, kind, name)
