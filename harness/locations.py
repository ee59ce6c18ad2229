"""Where things are kept outside the working folder: caches only."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from crossrt.exporters.cache import CACHE_VARIABLE, ArtifactCache

__all__ = ["CACHE_VARIABLE", "artifact_cache", "cache_folder"]


def cache_folder() -> Path:
    """What `CROSSRT_CACHE_DIR` names, or the user's cache folder for crossrt, in `XDG_CACHE_HOME` or the home."""
    named = os.environ.get(CACHE_VARIABLE)
    found = Path(named) if named else user_cache_path("crossrt")
    if found.parts[:1] == ("~",):  # the user has no home: no folder of this name in the working folder
        return Path("/", *found.parts[1:])
    return found


def artifact_cache() -> ArtifactCache:
    """The cache of built artifacts."""
    return ArtifactCache(cache_folder() / "artifacts")
