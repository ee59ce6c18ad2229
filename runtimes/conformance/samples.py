"""The stored samples of a conformance model, laid out as a session takes them and read as it gives them."""

from __future__ import annotations

import atexit
import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, check_file, read_manifest
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.protocol import Session, SessionOptions

Array = NDArray[Any]
Arrays = dict[str, Array]


@cache
def artifacts_in(folder: Path) -> tuple[ModelArtifact, ...]:
    """Every model under a folder; one with data files beside it as a copy of its own.

    Where a package manager installs files as links, runtimes that load models through onnx would refuse the data files.

    Raises:
        ArtifactError: A manifest is damaged, or its file is not the one described.
    """
    artifacts = tuple(read_manifest(path, ModelArtifact) for path in sorted(folder.glob(f"**/{ARTIFACT_MANIFEST}")))
    for artifact in artifacts:
        check_file(artifact)
    return tuple(_without_links(each) if each.data_files else each for each in artifacts)


def _without_links(artifact: ModelArtifact) -> ModelArtifact:
    folder = Path(tempfile.mkdtemp(prefix="crossrt-conformance-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(artifact.path.parent, folder, dirs_exist_ok=True)
    return dataclasses.replace(artifact, path=folder / artifact.path.name)


def has_dynamic_batch(artifact: ModelArtifact) -> bool:
    """Whether any batch size can be run."""
    return artifact.batching.dimension is not None


def default_options(artifact: ModelArtifact, **options: Any) -> SessionOptions:
    """Options that fit a model: its dimensions bound as in its samples, and its only batch size where it has one."""
    if not has_dynamic_batch(artifact):
        options["batch_size"] = artifact.batching.size or 1
    return SessionOptions(**{"dimensions": dimensions_of(artifact), **options})


def dimensions_of(artifact: ModelArtifact) -> dict[str, int]:
    """Sizes of the dynamic dimensions other than the batch, from the stored inputs."""
    found: dict[str, int] = {}
    for spec in artifact.inputs:
        shape = _laid_out(stored(artifact, "inputs")[spec.name], spec, artifact, 1).shape
        found |= {name: size for name, size in zip(spec.shape, shape, strict=True) if isinstance(name, str)}
    found.pop(artifact.batching.dimension or "", None)
    return found


def stored(artifact: ModelArtifact, which: str) -> Mapping[str, Array]:
    """The arrays of `inputs.npz` or `outputs.npz`, which are the caller's own."""
    return {name: array.copy() for name, array in _read(artifact.path.with_name(f"{which}.npz")).items()}


@cache
def _read(path: Path) -> Mapping[str, Array]:
    """The arrays of a file, read once: nearly every test asks for them."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def feeds_of(artifact: ModelArtifact, session: Session, batch_size: int) -> Arrays:
    """The stored samples as a session takes them, repeated up to its batch size."""
    arrays = stored(artifact, "inputs")
    specs = zip(session.inputs, artifact.inputs, strict=True)
    return {
        shown.name: as_taken(_laid_out(arrays[shown.name], own, artifact, batch_size), shown) for shown, own in specs
    }


def _laid_out(rows: Array, spec: TensorSpec, artifact: ModelArtifact, batch_size: int) -> Array:
    axis = artifact.batching.axes.get(spec.name)
    if axis is not None:
        return np.ascontiguousarray(np.moveaxis(_repeated(rows, batch_size), 0, axis))
    return rows if artifact.batching.is_batched else rows[0]


def _repeated(rows: Array, batch_size: int) -> Array:
    """The first rows; each repetition is weaker than the one before, so that no two rows are alike."""
    repeated = rows[np.arange(batch_size) % len(rows)]
    if rows.dtype.kind != "f":
        return repeated
    repetition = 1 + np.arange(batch_size) // len(rows)
    weaker: Array = repeated / repetition.astype(rows.dtype).reshape(-1, *[1] * (rows.ndim - 1))
    return weaker


def samples_of(outputs: Mapping[str, Array], artifact: ModelArtifact) -> Arrays:
    """Outputs of a call with samples along axis 0; the whole call is the one sample of a model without a batch."""
    if not artifact.batching.is_batched:
        return {name: output[np.newaxis] for name, output in outputs.items()}
    return {spec.name: np.moveaxis(outputs[spec.name], _output_axis(spec, artifact), 0) for spec in artifact.outputs}


def _output_axis(spec: TensorSpec, artifact: ModelArtifact) -> int:
    dimension = artifact.batching.dimension
    return spec.shape.index(dimension) if dimension in spec.shape else 0


def as_taken(rows: Array, spec: TensorSpec) -> Array:
    """Real numbers as the session's input takes them."""
    if spec.scale is None:
        return rows.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    steps: Array = np.rint(rows / spec.scale) + (spec.zero_point or 0)
    return steps.clip(limits.min, limits.max).astype(spec.dtype)


def as_real(output: Array, spec: TensorSpec) -> Array:
    """An output in real units."""
    if spec.scale is None:
        return output
    real: Array = (output.astype(np.float64) - (spec.zero_point or 0)) * spec.scale
    return real
