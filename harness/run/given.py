"""Models and data that are objects of the caller's: files that worker processes read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.opening import DataRequest, dataset_from
from crossrt.datasets.protocol import Dataset
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.scratch import scratch_folder


@contextmanager
def given_subject(
    model: Any,
    data: Any,
    labels: NDArray[Any] | str | Path | None,
    calibration: Any,
    task: str | None,
    dimensions: Mapping[str, int] | None,
    samples: int | None,
    seed: int,
) -> Iterator[Subject]:
    """Models and data as files, for as long as a run takes: worker processes read them.

    Raises:
        DataError: Something is not a model or data.
    """
    models = [model] if isinstance(model, str | Path) or not isinstance(model, Sequence) else list(model)
    bound = dict(dimensions or {})
    with scratch_folder() as folder:
        given = None if data is None else _data_path(data, folder / "data.npz")
        calibrated = None if calibration is None else _data_path(calibration, folder / "calibration.npz")
        if labels is not None and given is None:
            raise DataError("labels were given without data: give both")
        yield Subject(
            models=tuple(_model_path(each, folder / f"model-{number}") for number, each in enumerate(models)),
            data=None
            if given is None
            else DataRequest(reference=given, labels=_labels_path(labels, folder), seed=seed, dimensions=bound),
            calibration=None if calibrated is None else DataRequest(reference=calibrated, seed=seed, dimensions=bound),
            task=task,
            dimensions=bound,
            samples=samples,
            seed=seed,
        )


def _model_path(model: Any, stem: Path) -> Path:
    if isinstance(model, str | Path):
        return Path(model)
    if hasattr(model, "SerializeToString"):
        path = stem.with_suffix(".onnx")
        path.write_bytes(model.SerializeToString())
        return path
    if hasattr(model, "save") and hasattr(model, "get_config"):
        path = stem.with_name(f"{getattr(model, 'name', stem.name)}.keras")
        model.save(path)
        return path
    raise DataError(
        f"a {type(model).__name__} is not a model that crossrt takes: give a path, a Keras model or an onnx.ModelProto"
    )


def _data_path(data: Any, path: Path) -> str:
    """Where data are, saved first if they are arrays."""
    if isinstance(data, str | Path):
        return str(data)
    dataset = _called(data) if callable(data) and not hasattr(data, "feeds") else dataset_from(data, path.name)
    arrays = dataset.feeds(range(len(dataset)))
    if dataset.labels is not None:
        arrays["labels"] = dataset.labels
    # an input may have the name of an argument of numpy.savez
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
    return str(path)


def _called(function: Callable[[], object]) -> Dataset:
    """What a function of the caller's own gives; what it raises is the caller's, and comes through as it is."""
    name = getattr(function, "__name__", type(function).__name__)
    return dataset_from(function(), name)


def _labels_path(labels: NDArray[Any] | str | Path | None, folder: Path) -> str | None:
    if labels is None or isinstance(labels, str | Path):
        return None if labels is None else str(labels)
    path = folder / "labels.npy"
    np.save(path, np.asarray(labels), allow_pickle=False)
    return str(path)
