"""Data and labels that are objects of the caller's, saved so that other processes can read them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.classes import CLASSES, classes_of
from crossrt.datasets.opening import dataset_from
from crossrt.datasets.protocol import Dataset


def data_path(data: Any, path: Path) -> str:
    """Where data are, saved first to `path` if they are arrays, a data set, or a function that gives these.

    Raises:
        DataError: They are something else.
    """
    if isinstance(data, str | Path):
        return str(data)
    if not (callable(data) or isinstance(data, Sequence | Mapping) or hasattr(data, "feeds") or np.ndim(data)):
        raise DataError(
            f"{path.stem} is {data!r}; expected a path, the name of a data set, arrays by input name, an array, a data"
            " set, or a function that gives one of these"
        )
    dataset = _called(data) if callable(data) and not hasattr(data, "feeds") else dataset_from(data, path.name)
    arrays = dataset.feeds(range(len(dataset)))
    if dataset.labels is not None:
        arrays["labels"] = dataset.labels
    if names := classes_of(dataset):
        arrays[CLASSES] = np.array(names)
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


def labels_path(labels: NDArray[Any] | str | Path | None, folder: Path) -> str | None:
    """Where labels are, saved first into a folder if they are an array.

    Raises:
        DataError: They are something else.
    """
    if labels is None or isinstance(labels, str | Path):
        return None if labels is None else str(labels)
    path, values = folder / "labels.npy", np.asarray(labels)
    if values.dtype.hasobject and values.size and all(isinstance(each, str) for each in values.flat):
        values = values.astype(np.str_)  # as tables hold text; a task says what to do with it
    if values.dtype.hasobject or not values.ndim:
        raise DataError(f"labels are of type {type(labels).__name__}; expected an array with one entry per sample")
    np.save(path, values, allow_pickle=False)
    return str(path)
