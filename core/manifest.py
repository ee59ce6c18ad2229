"""Manifests: the JSON file beside each model file that says what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crossrt.core.artifact import ModelArtifact, ReferenceLogits, sha256_of
from crossrt.core.errors import ArtifactError

ARTIFACT_MANIFEST = "artifact.json"
REFERENCE_MANIFEST = "reference.json"
Described = TypeVar("Described", ModelArtifact, ReferenceLogits)

_MOST_BYTES = 2**20


def write_manifest(described: ModelArtifact | ReferenceLogits, path: Path) -> None:
    """Writes the manifest of a file that lies in the same folder."""
    fields = dataclasses.asdict(described) | {"path": described.path.name}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n")


def read_manifest(path: Path, kind: type[Described]) -> Described:
    """Reads a manifest; whether its file is still the one described is for `check_file` to say.

    Raises:
        ArtifactError: The manifest is missing or damaged.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ArtifactError(f"{path} is larger than any manifest: build the artifacts again with crossrt export")
        described = msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=_path_beside(path))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is no manifest ({error}): build the artifacts again with crossrt export"
        ) from error
    if isinstance(described, ModelArtifact):
        _check_values(described, path)
    return described


def _check_values(artifact: ModelArtifact, path: Path) -> None:
    samples = artifact.quantization.calibration_samples if artifact.quantization else 0
    if not artifact.model or not artifact.variant or min(artifact.size_bytes, samples) < 0:
        raise ArtifactError(f"{path} has an empty name or a negative number: build the artifacts again")


def check_file(described: ModelArtifact | ReferenceLogits) -> None:
    """Checks that the file is there and is the one that the manifest describes.

    Raises:
        ArtifactError: The file is missing or its hash differs.
    """
    if not described.path.is_file():
        raise ArtifactError(f"{described.path} is missing or no regular file: build it again with crossrt export")
    try:
        found = sha256_of(described.path)
    except OSError as error:
        raise ArtifactError(f"{described.path} cannot be read: {error.strerror}") from error
    if found != described.sha256:
        size = described.path.stat().st_size
        raise ArtifactError(
            f"{described.path.name} ({size} bytes) is not the file of its manifest: it was damaged or replaced;"
            " build it again with crossrt export"
        )


def _path_beside(manifest: Path) -> Any:
    def decode(_: type, value: object) -> Path:
        if not isinstance(value, str) or Path(value).name != value or value in ("", "..") or "\0" in value:
            raise ValueError(f"{value!r} is not the name of a file beside the manifest")
        return manifest.parent / value

    return decode
