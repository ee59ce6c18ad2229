"""Folders and files that nobody else can have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from crossrt.core.errors import CrossrtError


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
    """True if a file or folder is no link, is this user's or the system's, and cannot be written by others."""
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
