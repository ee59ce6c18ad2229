"""A folder of artifacts that travels: written by `crossrt export`, run by `crossrt bench --artifacts`."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, ReferenceLogits
from crossrt.core.errors import ArtifactError
from crossrt.core.manifest import check_file, read_manifest, write_manifest
from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.variants import main_variants
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.errors import ChildFailedError, HarnessError

MANIFEST_SUFFIX = ".manifest.json"
_REFERENCE = ".reference"


def write_folder(found: Artifacts, folder: Path) -> list[Path]:
    """Copies artifacts and the Keras model's answers into a folder, each beside its manifest.

    Raises:
        HarnessError: The folder cannot be written.
    """
    described: list[ModelArtifact | ReferenceLogits] = [*found.artifacts.values()]
    described += [found.reference] if found.reference else []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_copy(each, folder) for each in described]
    except OSError as error:
        raise HarnessError(f"{folder} cannot be written: {error.strerror}; choose another --out") from error


def _copy(described: ModelArtifact | ReferenceLogits, folder: Path) -> Path:
    target = folder / f"{described.id}{'' if isinstance(described, ModelArtifact) else '.npy'}"
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=folder) as scratch:
        file, manifest = Path(scratch) / target.name, Path(scratch) / f"{target.name}{MANIFEST_SUFFIX}"
        shutil.copyfile(described.path, file)
        write_manifest(dataclasses.replace(described, path=target), manifest)
        file.replace(target)
        manifest.replace(folder / manifest.name)
    return target


def read_folder(folder: Path) -> Artifacts:
    """Reads a folder of exported artifacts. A damaged model file becomes a problem of its own case.

    Raises:
        ArtifactError: A manifest is damaged.
        HarnessError: The folder holds no artifacts, or artifacts of several models.
    """
    manifests = sorted(folder.glob(f"*{MANIFEST_SUFFIX}"), key=_place)
    found = Artifacts()
    for path in manifests:
        if path.name.removesuffix(f".npy{MANIFEST_SUFFIX}").endswith(_REFERENCE):
            found.reference = read_manifest(path, ReferenceLogits)
            check_file(found.reference)
        else:
            _add(read_manifest(path, ModelArtifact), found)
    if not found.artifacts:
        raise HarnessError(f"{folder} holds no artifacts: name a folder that crossrt export wrote")
    if len(models := _models(found.artifacts.values())) > 1:
        raise HarnessError(f"{folder} holds artifacts of {', '.join(models)}: keep one model to a folder")
    _check_reference(found)
    return found


def _check_reference(found: Artifacts) -> None:
    """Answers of another model, or to other digits, would make every comparison wrong."""
    models = {artifact.model_sha256 for artifact in found.artifacts.values()}
    if found.reference is None:
        return
    if models != {found.reference.model_sha256} or found.reference.data_sha256 != mnist.shipped_sha256("test"):
        raise HarnessError(
            "the artifacts and the Keras model's answers in that folder do not belong together: export again"
        )


def _place(path: Path) -> tuple[int, str]:
    """Shipped variants in their own order, then all others by name."""
    names = [variant.item for variant in main_variants()]
    item = path.name.removesuffix(MANIFEST_SUFFIX).partition(".")[2]
    return names.index(item) if item in names else len(names), path.name


def _add(artifact: ModelArtifact, found: Artifacts) -> None:
    found.artifacts[artifact.id] = artifact
    try:
        check_file(artifact)
    except ArtifactError as error:
        found.problems[artifact.id] = ChildFailedError(str(error), "")


def _models(artifacts: Iterable[ModelArtifact]) -> list[str]:
    return sorted({artifact.model for artifact in artifacts})
