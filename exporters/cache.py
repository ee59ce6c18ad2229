"""The artifact cache: same key, same file, no rebuild.

A key covers everything that shapes a file: the model, the variant's settings, the calibration data, the versions of the
packages that convert and this package's own source.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import msgspec

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.errors import ArtifactError
from crossrt.core.install import installed_builds
from crossrt.core.manifest import ARTIFACT_MANIFEST, REFERENCE_MANIFEST, check_file, read_manifest
from crossrt.core.owned import is_own, make_own
from crossrt.core.scratch import STAGING, owned_folder, remove_abandoned
from crossrt.exporters.calibration import selection_of
from crossrt.exporters.recipes.recipe import Recipe
from crossrt.exporters.variants import Variant

CONVERTERS = ("tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxslim", "onnxruntime", "numpy")
CACHE_VARIABLE = "CROSSRT_CACHE_DIR"
_LOG = logging.getLogger("crossrt.cache")
_LITTLE_BYTES = 2**20
MANIFESTS = {ModelArtifact: ARTIFACT_MANIFEST, ReferenceAnswers: REFERENCE_MANIFEST}
_KEY_FILE = "key"
Cached = TypeVar("Cached", ModelArtifact, ReferenceAnswers)


def make_writable(folder: Path) -> None:
    """Makes a folder of the cache.

    Raises:
        ArtifactError: It cannot be made or written; the message names the variable that chooses another place.
    """
    try:
        make_own(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ArtifactError(
            f"the cache folder {folder} cannot be written ({error.strerror}): name another one with"
            f" {CACHE_VARIABLE}=FOLDER"
        ) from error


def shortage(folder: Path, needed_bytes: int) -> str | None:
    """What to do about a disk with little room, where that may be why something failed; None where there is room."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    if free >= max(needed_bytes, _LITTLE_BYTES):
        return None
    return (
        f"the disk of the cache folder {folder} has only {free / 2**20:.1f} MiB free: make room, or name another folder"
        f" with {CACHE_VARIABLE}=FOLDER"
    )


class ArtifactCache:
    """One folder per artifact; a folder appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, key: str, kind: type[Cached]) -> Cached | None:
        """The artifact of this key, or None where it is absent, damaged or not of our making, and must be built."""
        folder = self.root / key
        if not is_own(folder) or not all(map(is_own, folder.iterdir())) or _key_in(folder) != key:
            return None
        try:
            found = read_manifest(folder / MANIFESTS[kind], kind)
            check_file(found)
        except ArtifactError:
            return None
        with suppress(OSError):  # another user's, which may be read
            os.utime(folder / _KEY_FILE)  # when it was last used
        if not key.startswith(f"{found.id}-"):
            return None
        _LOG.info("taken from %s", folder)
        return found

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder on the cache's own disk to build in; what is not committed from it is removed."""
        make_writable(self.root)
        with owned_folder(self.root, STAGING) as folder:
            yield folder

    def remove_abandoned(self) -> None:
        """Removes what builds left that were killed."""
        remove_abandoned(self.root, STAGING)

    def commit(self, staged: Path, key: str, kind: type[Cached]) -> Cached:
        """Moves a staged folder to its key. Where another process was first, its result stays.

        Raises:
            ArtifactError: What lies under the key afterwards cannot be read.
        """
        target = self.root / key
        (staged / _KEY_FILE).write_text(key)
        for each in (staged, *staged.iterdir()):
            each.chmod(each.stat().st_mode & ~0o022)  # whatever the mask is: nobody else may write it
        for _ in range(2):  # once, and again after a damaged folder was moved out of the way
            try:
                staged.rename(target)
                break
            except OSError:
                if self.find(key, kind) is not None:
                    shutil.rmtree(staged, ignore_errors=True)
                    break
            with suppress(OSError):  # dropped with the staging folder; another process may be doing the same
                target.rename(staged.with_name(f"{staged.name}.damaged"))
        else:
            raise ArtifactError(f"{target} holds a damaged artifact and cannot be replaced: delete that folder")
        _LOG.info("kept in %s", target)
        return read_manifest(target / MANIFESTS[kind], kind)


def _key_in(folder: Path) -> str | None:
    """Under which key an entry was built, so that the entry of another key is not taken for it."""
    try:
        return (folder / _KEY_FILE).read_text()
    except (OSError, UnicodeDecodeError):
        return None


def variant_key(model: str, source_sha256: str, variant: Variant, calibration_fingerprint: str | None = None) -> str:
    """Folder name of a variant: readable part, then a hash of everything that shapes it.

    `calibration_fingerprint` is that of the data set; it counts for recipes that are calibrated, and for no others.
    """
    shaped_by = {
        "model": source_sha256,
        "name": model,
        "format": variant.format,
        "recipe": variant.recipe,
        "calibration": calibration_fingerprint if selection_of(variant.recipe) else None,
        **({"needs": versions_for(variant.recipe)} if variant.recipe is not None and variant.recipe.needs else {}),
        **producer_state(),
    }
    return f"{model}.{variant.name}.{variant.format}-{_digest(shaped_by)}"


def reference_key(model: str, source_sha256: str, data_fingerprint: str, samples: int) -> str:
    """Folder name of the model's own answers to the first `samples` of a data set."""
    shaped_by = {"model": source_sha256, "data": data_fingerprint, "samples": samples, **producer_state()}
    return f"{model}.reference-{_digest(shaped_by)}"


@cache
def converter_versions() -> Mapping[str, str]:
    """Versions of the packages that shape an artifact, without importing them."""
    exact = {name: found for name in CONVERTERS if (found := _version(name)) is not None}
    builds = installed_builds("onnxruntime") if "onnxruntime" in CONVERTERS else {}
    return {**exact, **builds}


def versions_for(recipe: Recipe | None) -> Mapping[str, str]:
    """Versions of the packages that only some recipes need."""
    needed = () if recipe is None else recipe.needs
    return {name: found for name in needed if (found := _version(name)) is not None}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@cache
def producer_state() -> Mapping[str, object]:
    """What shapes an artifact beside its source and settings: versions of packages and this package's own code."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source.update(path.read_bytes())
    return {"versions": converter_versions(), "source": source.hexdigest()}


def _digest(shaped_by: Mapping[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(shaped_by, order="deterministic")).hexdigest()[:16]
