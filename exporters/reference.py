"""What the model itself answers to a data set, written sample by sample: the data set is never whole in memory."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossrt.core.tensor import Batching, TensorSpec
from crossrt.datasets.fitting import Fit, model_feeds
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.exporters.calibration import samples_in_a_call
from crossrt.exporters.errors import ExportError

MOST_SAMPLES = 500
MOST_CALL_BYTES = 16 * 2**20


def write_answers(
    predict: Callable[[Arrays], Arrays],
    dataset: Dataset,
    found: Fit,
    specs: tuple[Sequence[TensorSpec], Sequence[TensorSpec]],
    batching: Batching,
    samples: int,
    path: Path,
) -> None:
    """Writes an `.npz` with an array `(samples, ...)` for each output.

    Args:
        predict: Runs the model once.
        dataset: Gives the samples.
        found: How it feeds the model.
        specs: Inputs and outputs of the model.
        batching: How samples lie in the inputs.
        samples: How many, from the first.
        path: Where to.

    Raises:
        ExportError: An output does not have a row for each sample, or its size changes from sample to sample.
    """
    inputs, outputs = specs
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        store = _Store(Path(folder), samples)
        for call, rows in _calls(samples, inputs, batching):
            answers = predict(model_feeds(dataset, found, inputs, batching, call))
            for spec in outputs:
                store.add(spec.name, _by_sample(answers[spec.name], spec, batching, len(call))[:rows], call[0])
        store.write(path)


def _calls(samples: int, inputs: Sequence[TensorSpec], batching: Batching) -> list[tuple[list[int], int]]:
    """Samples of each call, and how many of its answers count: the last call of a fixed batch is filled up."""
    if batching.dimension is None:
        size = batching.size or 1
    else:
        size = samples_in_a_call(inputs, MOST_SAMPLES, MOST_CALL_BYTES)
    found = []
    for start in range(0, samples, size):
        call = list(range(start, min(start + size, samples)))
        rows = len(call)
        if batching.dimension is None:
            call += [call[-1]] * (size - rows)
        found.append((call, rows))
    return found


def _by_sample(values: np.ndarray[Any, Any], spec: TensorSpec, batching: Batching, count: int) -> np.ndarray[Any, Any]:
    """An output with the axis of samples first."""
    if not batching.is_batched:
        return np.asarray(values)[np.newaxis]
    axis = spec.shape.index(batching.dimension) if batching.dimension in spec.shape else 0
    if values.ndim <= axis or values.shape[axis] != count:
        raise ExportError(
            f"the output {spec.name} has shape {values.shape} for {count} samples, not a row for each of them: its"
            " answers cannot be distinguished"
        )
    return np.moveaxis(values, axis, 0)


class _Store:
    """One file for each output while samples are answered; bundled at the end."""

    def __init__(self, folder: Path, samples: int) -> None:
        self._folder, self._samples = folder, samples
        self._arrays: dict[str, np.ndarray[Any, Any]] = {}
        self._files: dict[str, Path] = {}

    def add(self, name: str, rows: np.ndarray[Any, Any], start: int) -> None:
        """Keeps answers to the samples from `start` on."""
        if name not in self._arrays:
            file = self._files[name] = self._folder / f"{len(self._files)}.npy"
            shape = (self._samples, *rows.shape[1:])
            self._arrays[name] = np.lib.format.open_memmap(file, mode="w+", dtype=rows.dtype, shape=shape)
        kept = self._arrays[name]
        if kept.shape[1:] != rows.shape[1:]:
            raise ExportError(
                f"the output {name} has shape {rows.shape[1:]} at sample {start}, and {kept.shape[1:]} before: answers"
                " of different sizes cannot be compared"
            )
        kept[start : start + len(rows)] = rows

    def write(self, path: Path) -> None:
        """Bundles all outputs into one `.npz`, uncompressed."""
        for array in self._arrays.values():
            assert isinstance(array, np.memmap)
            array.flush()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, file in self._files.items():
                archive.write(file, f"{name}.npy")
