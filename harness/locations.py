"""Where things are kept outside the working folder: caches only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from crossrt.core.owned import own_folder
from crossrt.exporters.cache import CACHE_VARIABLE, ArtifactCache
from crossrt.runtimes.versions.environments import VersionEnvironments

_HOMELESS = Path("/.cache/crossrt")
"""As for HOME=/: where it cannot be written, the message says how to name another."""

MACHINE_LOCK_VARIABLE: Final = "CROSSRT_MACHINE_LOCK"

__all__ = [
    "CACHE_VARIABLE",
    "MACHINE_LOCK_VARIABLE",
    "artifact_cache",
    "cache_folder",
    "lock_file",
    "machine_lock_file",
    "named_cache_folder",
    "version_environments",
]


def cache_folder() -> Path:
    """The user's cache folder for crossrt, or what `CROSSRT_CACHE_DIR` names; in a shared one a folder of our own.

    Raises:
        NotOurOwnError: The latter was made by somebody else.
    """
    return own_folder(named_cache_folder())


def named_cache_folder() -> Path:
    """What `CROSSRT_CACHE_DIR` names, or the cache folder in `XDG_CACHE_HOME` or the home, whoever can write it."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    try:
        found = user_cache_path("crossrt")
    except RuntimeError:  # a user without a home
        found = _HOMELESS
    return found if found.is_absolute() else _HOMELESS  # older versions of platformdirs leave the ~


def lock_file() -> Path:
    """What runs take that measure: one for all users of a shared cache folder."""
    return named_cache_folder() / "measuring.lock"


def machine_lock_file() -> Path:
    """What all users of this machine share: `CROSSRT_MACHINE_LOCK`, or a file in the system's temporary folder.

    `TMPDIR` does not move it, as that differs between users.
    """
    return Path(os.environ.get(MACHINE_LOCK_VARIABLE) or "/tmp/crossrt-measuring.lock")  # noqa: S108 - opened safely


def artifact_cache() -> ArtifactCache:
    """The cache of built artifacts."""
    return ArtifactCache(cache_folder() / "artifacts")


def version_environments(remark: Callable[[str], object] = lambda _: None) -> VersionEnvironments:
    """The environments of other versions of runtimes; `remark` is told what takes long."""
    return VersionEnvironments(cache_folder() / "environments", remark)
