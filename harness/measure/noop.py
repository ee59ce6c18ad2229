"""The shipped identity models: what a runtime and its adapter cost when the model does nothing but copy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest

FOLDER = Path(__file__).parent / "noop_files"


@cache
def floor_artifacts() -> Mapping[str, ModelArtifact]:
    """One identity model for each file format: float32 `(batch, 28, 28, 1)` in and out."""
    found = [read_manifest(path, ModelArtifact) for path in sorted(FOLDER.glob(f"*/{ARTIFACT_MANIFEST}"))]
    return {artifact.format: artifact for artifact in found}
