"""Where things are kept outside the working folder: caches only."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from crossrt.exporters.cache import CACHE_VARIABLE, ArtifactCache

_HOMELESS = Path("/.cache/crossrt")
"""As for HOME=/: where it cannot be written, the message says how to name another."""

__all__ = ["CACHE_VARIABLE", "artifact_cache", "cache_folder"]


def cache_folder() -> Path:
    """What `CROSSRT_CACHE_DIR` names, or the user's cache folder for crossrt, in `XDG_CACHE_HOME` or the home."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    try:
        found = user_cache_path("crossrt")
    except RuntimeError:  # a user without a home
        found = _HOMELESS
    return found if found.is_absolute() else _HOMELESS  # older versions of platformdirs leave the ~


def artifact_cache() -> ArtifactCache:
    """The cache of built artifacts."""
    return ArtifactCache(cache_folder() / "artifacts")
