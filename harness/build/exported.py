"""A folder of artifacts that travels: written by `crossrt export`, run by `crossrt bench --artifacts`."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.errors import ArtifactError
from crossrt.core.manifest import check_file, read_manifest, write_manifest
from crossrt.core.scratch import owned_folder
from crossrt.core.tensor import TensorSpec, described
from crossrt.exporters.variants import main_variants
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.errors import ChildFailedError, HarnessError

MANIFEST_SUFFIX = ".manifest.json"
_REFERENCE = ".reference"


def write_folder(found: Artifacts, folder: Path) -> list[Path]:
    """Copies artifacts and the source model's answers into a folder, each beside its manifest.

    Everything is written beside its place first. Where that fails, what was in the folder stays as it was; a folder
    that was not there before is removed again.

    Raises:
        HarnessError: The folder cannot be written.
    """
    described: list[ModelArtifact | ReferenceAnswers] = [*found.artifacts.values()]
    described += [found.reference] if found.reference else []
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with owned_folder(folder, ".copy-") as scratch:
            files = [name for each in described for name in _copy(each, scratch)]
            _move(sorted(dict.fromkeys(files), key=_is_manifest), scratch, folder)
        return [folder / _file_name(each) for each in described]
    except BaseException as error:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise HarnessError(f"{folder} cannot be written: {error.strerror}; choose another --out") from error
        raise


def _file_name(described: ModelArtifact | ReferenceAnswers) -> str:
    return described.id if isinstance(described, ModelArtifact) else f"{described.id}.npz"


def _is_manifest(name: str) -> bool:
    return name.endswith(MANIFEST_SUFFIX)


def _copy(described: ModelArtifact | ReferenceAnswers, scratch: Path) -> list[str]:
    """Copies a file, its data files, and its manifest; their names."""
    file = scratch / _file_name(described)
    data_files = described.data_files if isinstance(described, ModelArtifact) else ()
    manifest = scratch / f"{file.name}{MANIFEST_SUFFIX}"
    shutil.copyfile(described.path, file)
    for name in data_files:
        shutil.copyfile(described.path.with_name(name), scratch / name)
    write_manifest(dataclasses.replace(described, path=file), manifest)
    return [*data_files, file.name, manifest.name]


def _move(names: Sequence[str], scratch: Path, folder: Path) -> None:
    """Moves files to their places; where one cannot be moved, those that are new there are removed again."""
    is_new = {name: not (folder / name).exists() for name in names}
    moved: list[Path] = []
    try:
        for name in names:
            (scratch / name).replace(folder / name)
            moved += [folder / name] if is_new[name] else []
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        raise


def holds_artifacts(path: Path) -> bool:
    """True for a folder that `crossrt export` or `quantize` wrote."""
    return path.is_dir() and any(path.glob(f"*{MANIFEST_SUFFIX}"))


def as_described(artifact: ModelArtifact) -> ModelArtifact:
    """What the manifest beside a file says of it, names included; the artifact as it is without one of this file.

    Args:
        artifact: What the file itself says, under names of its own.

    Raises:
        ArtifactError: The manifest says something else of what the file itself tells.
    """
    manifest = _manifest_of(artifact.path)
    if not manifest.is_file() or unused_manifest(artifact.path, artifact.sha256) is not None:
        return artifact
    known = read_manifest(manifest, ModelArtifact)
    for what, said, found in _contradictions(known, artifact):
        raise ArtifactError(
            f"{manifest} contradicts its file, so one of them was edited: {what} {said} in the manifest, {found} in"
            " the file itself; delete the manifest, or build both again"
        )
    quantization = known.quantization or artifact.quantization
    return dataclasses.replace(
        known,
        path=artifact.path,
        size_bytes=artifact.size_bytes,
        data_files=artifact.data_files,
        quantization=quantization,
    )


def unused_manifest(file: Path, sha256: str) -> str | None:
    """Why the manifest beside a file does not count, in a sentence; None where it does, or where there is none.

    Args:
        file: A model file.
        sha256: Its hash, data files included.
    """
    manifest = _manifest_of(file)
    if not manifest.is_file():
        return None
    try:
        known = read_manifest(manifest, ModelArtifact)
    except ArtifactError as error:
        return f"the manifest beside it was not used: {error}"
    if known.sha256 != sha256:
        return (
            f"the manifest beside it was not used: {manifest.name} has the SHA-256 of another file"
            f" ({known.sha256[:12]}; this file has {sha256[:12]})"
        )
    return None


def _manifest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}{MANIFEST_SUFFIX}")


def _contradictions(known: ModelArtifact, artifact: ModelArtifact) -> Iterator[tuple[str, str, str]]:
    """What a manifest says otherwise than the file itself, each in words; names of dimensions may be its own."""
    if known.format != artifact.format:
        yield "format", known.format, artifact.format
    if known.role != artifact.role:
        yield "role", known.role, artifact.role
    for what, said, found in (("input", known.inputs, artifact.inputs), ("output", known.outputs, artifact.outputs)):
        by_name = {spec.name: spec for spec in found}
        if {spec.name for spec in said} != by_name.keys():
            yield f"{what}s", ", ".join(map(described, said)), ", ".join(map(described, found))
            return
        for spec in said:
            if not _are_alike(spec, by_name[spec.name]):
                yield what, described(spec), described(by_name[spec.name])


def _are_alike(one: TensorSpec, other: TensorSpec) -> bool:
    sizes = zip(one.shape, other.shape, strict=False)
    is_fixed = (each for each in sizes if all(isinstance(size, int) for size in each))
    has_same_sizes = len(one.shape) == len(other.shape) and all(one == other for one, other in is_fixed)
    return one.dtype == other.dtype and has_same_sizes


def read_folder(folder: Path) -> Artifacts:
    """Reads a folder of exported artifacts. A damaged model file becomes a problem of its own case.

    Raises:
        ArtifactError: A manifest is damaged.
        HarnessError: The folder holds no artifacts, artifacts of several models, or two files of one name.
    """
    manifests = sorted(folder.glob(f"*{MANIFEST_SUFFIX}"), key=_place)
    found = Artifacts()
    for path in manifests:
        if path.name.removesuffix(f".npz{MANIFEST_SUFFIX}").endswith(_REFERENCE):
            found.reference = read_manifest(path, ReferenceAnswers)
            check_file(found.reference)
        else:
            _add(read_manifest(path, ModelArtifact), found, folder)
    if not found.artifacts:
        raise HarnessError(f"{folder} holds no artifacts: name a folder that crossrt export wrote")
    if len(models := _models(found.artifacts.values())) > 1:
        raise HarnessError(f"{folder} holds artifacts of {', '.join(models)}: keep one model to a folder")
    _check_reference(found)
    return found


def _check_reference(found: Artifacts) -> None:
    """Answers of another model would make every comparison wrong."""
    sources = {artifact.source_sha256 for artifact in found.artifacts.values()}
    if found.reference is not None and sources != {found.reference.source_sha256}:
        raise HarnessError(
            "the artifacts and the reference answers in that folder do not belong together: export again"
        )


def _place(path: Path) -> tuple[int, str]:
    """Shipped variants in their own order, then all others by name."""
    names = [variant.item for variant in main_variants()]
    item = path.name.removesuffix(MANIFEST_SUFFIX).partition(".")[2]
    return names.index(item) if item in names else len(names), path.name


def _add(artifact: ModelArtifact, found: Artifacts, folder: Path) -> None:
    if (other := found.artifacts.get(artifact.id)) is not None:
        raise HarnessError(
            f"{other.path.name} and {artifact.path.name} in {folder} are both {artifact.id} by their manifests, so that"
            " only one of them would be measured: move one of the files, with its manifest, to a folder of its own"
        )
    found.artifacts[artifact.id] = artifact
    try:
        check_file(artifact)
    except ArtifactError as error:
        found.problems[artifact.id] = ChildFailedError(str(error), "")


def _models(artifacts: Iterable[ModelArtifact]) -> list[str]:
    return sorted({artifact.model for artifact in artifacts})
