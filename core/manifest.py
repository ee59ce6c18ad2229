"""Manifests: the JSON file beside each model file that says what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers, sha256_of
from crossrt.core.errors import ArtifactError, parsing_problem
from crossrt.core.owned import read_regular

ARTIFACT_MANIFEST = "artifact.json"
REFERENCE_MANIFEST = "reference.json"
Described = TypeVar("Described", ModelArtifact, ReferenceAnswers)

_MOST_BYTES = 2**24
"""The curves of a training of 40,000 epochs, and more of anything else than there is."""


def write_manifest(described: ModelArtifact | ReferenceAnswers, path: Path) -> None:
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
        described = msgspec.json.decode(read_regular(path), type=kind, dec_hook=_path_beside(path))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is not a manifest ({parsing_problem(error)}): build the artifacts again with crossrt export"
        ) from error
    if isinstance(described, ModelArtifact):
        _check_artifact(described, path)
    elif described.samples < 1:
        raise ArtifactError(f"{path} has answers to {described.samples} samples: build them again")
    return described


def _check_artifact(artifact: ModelArtifact, path: Path) -> None:
    samples = artifact.quantization.calibration_samples if artifact.quantization else 0
    if not artifact.model or not artifact.variant or min(artifact.size_bytes, samples) < 0:
        raise ArtifactError(f"{path} has an empty name or a negative number: build the artifacts again")
    known = {spec.name for spec in artifact.inputs}
    if not set(artifact.batching.axes) <= known:
        raise ArtifactError(f"{path} has a batch axis for an input that the model does not have: build it again")
    for name in artifact.data_files:
        if not is_inside(name):
            raise ArtifactError(f"{path} names the data file {name!r}, which is not below its folder")


def is_inside(name: str) -> bool:
    """True if a relative path, written with slashes, names something below the folder that it starts from."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name and "\\" not in name


def check_file(described: ModelArtifact | ReferenceAnswers) -> None:
    """Checks that the file is there and is the one that the manifest describes, data files included.

    Raises:
        ArtifactError: A file is missing or the hash differs.
    """
    names = described.data_files if isinstance(described, ModelArtifact) else ()
    files = [described.path, *(described.path.parent / name for name in names)]
    for file in files:
        if not file.is_file():
            raise ArtifactError(f"{file} is missing or not a regular file: build it again with crossrt export")
    try:
        found = sha256_of(*files)
    except OSError as error:
        raise ArtifactError(f"{described.path} cannot be read: {error.strerror}") from error
    if found != described.sha256:
        size = sum(file.stat().st_size for file in files)
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
