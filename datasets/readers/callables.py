"""Functions of the user that give a data set: `module:function` and `file.py:function`. They run code."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.owned import irregular
from crossrt.core.staying import staying
from crossrt.core.user_code import line_of
from crossrt.datasets.classes import CLASSES, names_in
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.table import names_or_values
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset, MemoryRows, View

LABELS = "labels"
_EXPECTED = "expected a data set, a dict of arrays, an array, or (inputs, labels)"


def is_callable_reference(reference: str) -> bool:
    """Whether a reference has the form `module:function` or `file.py:function`."""
    module, _, function = reference.rpartition(":")
    is_module = all(part.isidentifier() for part in module.split("."))
    return function.isidentifier() and (module.endswith(".py") or is_module)


def call(request: DataRequest, input_name: str | None = None) -> Dataset:
    """Imports a function, calls it, and takes what it gives as a data set.

    The split is handed on as `split=` where one is asked for. Whatever the code prints goes to standard error.

    Raises:
        DataError: It cannot be imported, raises, or gives something else.
    """
    reference = request.reference
    options = {} if request.split is None else {"split": request.split}
    if Path(reference.rpartition(":")[0]).is_file() and not reference.rpartition(":")[0].endswith(".py"):
        raise DataError(f"{reference} names a file that is not Python code; expected module:function, file.py:function")
    with _guarded(reference, "cannot be imported"):
        module, _, name = reference.rpartition(":")
        found_module = _module(module)
        function = getattr(found_module, name, None)
    if not callable(function):
        known = ", ".join(functions_of(found_module)) or "none"
        raise DataError(f"{reference}: {module} has no function {name!r}; available: {known}")
    _check_parameters(reference, function, options)
    with _guarded(reference, "raised"):
        given = function(**options)
    with _guarded(reference, "gave something that cannot be read"):
        found = dataset_from(given, reference, input_name)
    return View(found, notes=(f"samples come from code: {reference}",))


def dataset_from(given: Any, name: str, input_name: str | None = None) -> Dataset:
    """A data set from what a function gave, or a caller of the Python interface: arrays in memory, or a data set.

    Args:
        given: A data set, a dict of arrays (`labels` reserved, and `classes` for their names), an array, or a tuple of
            inputs and labels.
        name: For people.
        input_name: The name of a lone array; None for `input`.

    Raises:
        DataError: It is something else.
    """
    if all(hasattr(given, member) for member in ("feeds", "inputs", "__len__")):
        return _own_dataset(given, name)
    labels = None
    if isinstance(given, tuple):
        if len(given) != 2:
            raise DataError(f"{name} gave a tuple of {len(given)}; {_EXPECTED}")
        given, labels = given
    if not isinstance(given, Mapping):
        given = {input_name or "input": given}
    arrays = {str(key): _array(value, f"{name}: array {key!r}", key) for key, value in given.items()}
    if LABELS in arrays and labels is not None:
        raise DataError(f"{name} gave labels twice: beside the inputs and among them")
    labels = arrays.pop(LABELS, None) if labels is None else _array(labels, f"{name}: labels")
    is_named = CLASSES in arrays and arrays[CLASSES].dtype.kind == "U" and input_name != CLASSES
    names = names_in(arrays.pop(CLASSES), f"{name}: {CLASSES!r}") if is_named else ()
    shared = {key: array for key, array in arrays.items() if not array.ndim}
    rows = {key: MemoryRows(array) for key, array in arrays.items() if array.ndim}
    return ArrayDataset(name, rows, labels=labels, shared=shared, classes=names)


def _own_dataset(given: Any, name: str) -> Dataset:
    members = ("name", "fingerprint", "shared", "labels", "notes")
    if missing := [member for member in members if not hasattr(given, member)]:
        raise DataError(f"{name} gave a data set without {', '.join(missing)}: see crossrt.datasets.protocol.Dataset")
    found: Dataset = given
    return found


def _array(value: Any, where: str, key: object = LABELS) -> NDArray[Any]:
    if key in (LABELS, CLASSES) and isinstance(value, tuple):
        value = list(value)
    if isinstance(value, str | bytes) or value is None or (not hasattr(value, "__array__") and not _is_list(value)):
        raise DataError(f"{where} is of type {type(value).__name__}; {_EXPECTED}")
    array = np.asarray(value)
    if key in (LABELS, CLASSES):
        array = names_or_values(array)
    if array.dtype.hasobject:
        raise DataError(f"{where} is an array of Python objects; stack samples of one shape: `numpy.stack(list)`")
    return array


def functions_of(module: ModuleType) -> list[str]:
    """Names of the functions that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    ]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | int | float | np.generic)


def _check_parameters(reference: str, function: Callable[..., Any], options: Mapping[str, str]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return
    try:
        signature.bind(**options)
    except TypeError as error:
        given = "split=..." if options else "no arguments"
        raise DataError(f"{reference} is called with {given}, but its signature is {signature}: {error}") from error


def _module(module: str) -> ModuleType:
    if not module.endswith(".py"):
        with _on_path(Path.cwd()):
            return importlib.import_module(module)
    path = Path(module).resolve()
    if (kind := irregular(path)) is not None:
        raise DataError(f"{module} is {kind}")
    if not path.is_file():
        raise DataError(f"{module} is not a file")
    spec = importlib.util.spec_from_file_location(f"_crossrt_data_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise DataError(f"{module} is not a file of Python code")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    with _on_path(path.parent):
        spec.loader.exec_module(found)
    return found


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Lets code import its neighbours, also later: the folder stays at the end of the path."""
    entry = str(folder)
    if entry not in sys.path:
        sys.path.append(entry)
    yield


@contextlib.contextmanager
def _guarded(reference: str, problem: str) -> Iterator[None]:
    try:
        with staying(), contextlib.redirect_stdout(sys.stderr):
            yield
    except (DataError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise DataError(f"{reference} {problem}: {type(error).__name__}: {error}{line_of(error)}") from error
