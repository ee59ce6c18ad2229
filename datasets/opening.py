"""Opening a data set that a user names: a file, a folder, a registered name, or a function."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.plugins import load_plugin, registered
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.classes import as_names, classes_of, named_classes, numbered
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers import is_foreign, reader_of
from crossrt.datasets.readers.callables import call, dataset_from, is_callable_reference
from crossrt.datasets.readers.labels import read_labels
from crossrt.datasets.readers.random_inputs import random_dataset
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import View
from crossrt.datasets.serving.client import open_served

__all__ = ["GROUP", "RANDOM", "DataRequest", "Dataset", "dataset_from", "open_dataset", "open_here", "runs_code"]

GROUP = "crossrt.datasets"
"""Entry points of data sets by name: a function without arguments that gives a data set, or, where there are several
parts, a dict of such functions by the name of the split, the default first."""
RANDOM = "random"


def open_dataset(request: DataRequest, inputs: Sequence[TensorSpec] | None = None) -> Dataset:
    """Opens a data set.

    Args:
        request: Which.
        inputs: Inputs of the model; random data are drawn from them.

    Raises:
        DataError: It cannot be found, opened or understood, or it has no samples.
    """
    try:
        found = open_served(Path(request.served)) if request.served else open_here(request, inputs)
        own, names = (None, ()) if request.labels is None else read_labels(Path(request.labels).expanduser())
        names = names if request.classes is None else named_classes(request.classes)
    except OSError as error:
        where = error.filename or request.reference
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error
    if not len(found):
        raise DataError(f"{request.reference} holds no samples; expected at least one")
    labels, names = _numbered(request, found, own, names)
    if labels is None and names == classes_of(found) and (request.limit is None or request.limit >= len(found)):
        return found
    notes = () if own is None else (f"labels are read from {request.labels}",)
    return View(found, limit=request.limit, labels=labels, notes=notes, classes=names)


def _numbered(
    request: DataRequest, found: Dataset, own: NDArray[Any] | None, names: tuple[str, ...]
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Labels that are not the data set's own as they are, or None; and the names of the classes that they number.

    Where the user orders classes that the data set numbers in another order, such as folders of images by their sorted
    names, labels follow the user's.
    """
    theirs, labels = classes_of(found), found.labels if own is None else own
    ordered = names or theirs
    if not ordered:
        return own, ()
    if labels is None:
        if names:
            raise DataError(
                f"{request.reference} has no labels that --classes could name: leave it out, or give labels"
            )
        return None, theirs
    where = request.labels or found.name
    if own is None and names and theirs and names != theirs:
        labels = as_names(labels, theirs, where)
    values = numbered(labels, ordered, where, checks=bool(names))
    return (None if values is found.labels else values), ordered


def runs_code(request: DataRequest) -> bool:
    """Whether opening a data set runs code that does not come with crossrt: a function, or what a plug-in registers.

    Raises:
        OSError: A file cannot be read.
        PluginError: Two packages register one name.
    """
    reference, path = request.reference, Path(request.reference).expanduser()
    if reference == RANDOM or request.served is not None:
        return False
    if (point := registered(GROUP).get(reference)) is not None:
        return not point.value.startswith("crossrt.")
    return is_foreign(path) if path.exists() else is_callable_reference(reference)


def open_here(request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a data set, whole and with its own labels, in this process, whatever code that runs.

    Raises:
        DataError: It cannot be found, opened or understood.
        OSError: A file cannot be read.
    """
    reference = request.reference
    if reference == RANDOM:
        return random_dataset(request, inputs)
    path = Path(reference).expanduser()
    if reference in registered(GROUP):
        return _with_note_on_path(_registered(request), path)
    if path.exists():
        return reader_of(path).read(path, request, inputs)
    if is_callable_reference(reference):
        return call(request, inputs[0].name if inputs and len(inputs) == 1 else None)
    raise _not_found(reference)


def _registered(request: DataRequest) -> Dataset:
    name, plugin = request.reference, load_plugin(GROUP, request.reference)
    if not isinstance(plugin, Mapping) or not all(map(callable, plugin.values())):
        if request.split is not None:
            raise DataError(f"the data set {name} has no splits: leave out the split {request.split!r}")
        return dataset_from(plugin, name)
    parts: Mapping[str, Callable[[], Any]] = plugin
    split = request.part_of(parts) or next(iter(parts), "")
    if split not in parts:
        raise DataError(f"the data set {name} has no split {split!r}; available: {', '.join(parts)}")
    return dataset_from(parts[split](), name)


def _with_note_on_path(dataset: Dataset, path: Path) -> Dataset:
    if not path.exists():
        return dataset
    return View(dataset, notes=(f"{path} is a registered data set; write ./{path} for the path of that name",))


def _not_found(reference: str) -> DataError:
    folder, names = Path(reference).parent, [*registered(GROUP), RANDOM]
    beside = [str(each) for each in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(reference, [*names, *beside], n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return DataError(
        f"there is no data set {reference!r}, and no such file or folder here{hint}: expected a file, a folder,"
        f" module:function, file.py:function, or a name; available: {', '.join(names)}"
    )
