"""Where things are kept outside the working folder: caches only."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from crossrt.exporters.cache import ArtifactCache

CACHE_VARIABLE = "CROSSRT_CACHE_DIR"


def cache_folder() -> Path:
    """The user's cache folder for crossrt, or what `CROSSRT_CACHE_DIR` names."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else user_cache_path("crossrt")


def artifact_cache() -> ArtifactCache:
    """The cache of built artifacts."""
    return ArtifactCache(cache_folder() / "artifacts")
