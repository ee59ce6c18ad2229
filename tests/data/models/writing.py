"""What the scripts beside this file share: a model's manifest, its inputs and its answers, written beside it."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ModelFormat, Quantization, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, write_manifest
from crossrt.core.tensor import Batching, TensorSpec

ROOT = Path(__file__).parents[3]
CONFORMANCE = ROOT / "runtimes" / "conformance" / "models"
BATCH = "batch"
MAKERS: dict[ModelFormat, str] = {"onnx": "onnx", "tflite": "tensorflow-cpu", "keras": "keras"}

Array = NDArray[Any]
Arrays = Mapping[str, Array]


def spec(name: str, dtype: str, *shape: int | str | None, **quantization: Any) -> TensorSpec:
    """A tensor, in short."""
    return TensorSpec(name=name, dtype=dtype, shape=shape, **quantization)


def random(*shape: int, seed: int = 0) -> Array:
    """Float32 numbers around 0, the same every time."""
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def new_folder(name: str, form: ModelFormat, root: Path = CONFORMANCE) -> Path:
    """The folder `<model>.<variant>.<format>`, made."""
    folder = root / f"{name}.{form}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def describe(
    path: Path,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    axes: Mapping[str, int] | None = None,
    size: int | None = None,
    quantization: Quantization | None = None,
    data_files: tuple[str, ...] = (),
) -> None:
    """Writes the manifest beside a model file.

    Args:
        path: The model, in a folder `<model>.<variant>.<format>`.
        inputs: What it takes.
        outputs: What it gives.
        axes: Along which axis samples lie in each input that has a batch; axis 0 of all where this is not given.
        size: Samples in a fixed batch, or None where the batch is the dimension `batch`.
        quantization: How it was quantized.
        data_files: Files beside it that hold its weights.
    """
    model, variant, form = path.parent.name.split(".")
    axes = {each.name: 0 for each in inputs} if axes is None else axes
    beside = [path.with_name(name) for name in data_files]
    dimension = BATCH if axes and size is None else None
    artifact = ModelArtifact(
        model=model,
        variant=variant,
        format=next(each for each in get_args(ModelFormat) if each == form),
        path=path,
        sha256=sha256_of(path, *beside),
        size_bytes=sum(each.stat().st_size for each in (path, *beside)),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        batching=Batching(dimension=dimension, size=size, axes=dict(axes)),
        role="quantized" if quantization else "float",
        quantization=quantization,
        producer={MAKERS[form]: version(MAKERS[form])},
        source_sha256=sha256_of(path, *beside),
        data_files=data_files,
    )
    write_manifest(artifact, path.with_name(ARTIFACT_MANIFEST))


def store(folder: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Writes `inputs.npz` and `outputs.npz`: samples along axis 0, answers as float32 where they are float64."""
    for which, arrays in (("inputs", inputs), ("outputs", outputs)):
        narrow = {name: _narrow(array) for name, array in arrays.items()}
        np.savez(folder / f"{which}.npz", allow_pickle=False, **narrow)


def _narrow(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype in (np.float64, np.float16) else array
