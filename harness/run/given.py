"""What the Python interface adds to a run: models and data that are objects, and errors that speak of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.in_python import in_python
from crossrt.datasets.request import DataRequest, calibration_request
from crossrt.datasets.saving import data_path, labels_path
from crossrt.exporters.errors import ExportError
from crossrt.exporters.saving import saved_model
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.measure.settings import Subject
from crossrt.harness.process.scratch import scratch_folder
from crossrt.harness.run.arguments import sizes_in, task_in

_DATA, _CALIBRATION, _LABELS = "data.npz", "calibration.npz", "labels.npy"
_OBJECTS: Final = {_DATA: "the data", _CALIBRATION: "the calibration data", _LABELS: "the array of labels"}


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
    task, bound = task_in(task), sizes_in("dimensions", dimensions)
    models = [model] if isinstance(model, str | Path) or not isinstance(model, Sequence) else list(model)
    objects = [
        name
        for name, value in ((_DATA, data), (_CALIBRATION, calibration), (_LABELS, labels))
        if value is not None and not isinstance(value, str | Path)
    ]
    with scratch_folder() as folder, _naming_objects(folder, objects, is_lone=not isinstance(data, Mapping)):
        given = None if data is None else data_path(data, folder / _DATA)
        calibrated = None if calibration is None else data_path(calibration, folder / _CALIBRATION)
        if labels is not None and given is None:
            raise DataError("labels were given without data: give both")
        yield Subject(
            models=tuple(saved_model(each, folder / f"model-{number}") for number, each in enumerate(models)),
            data=None
            if given is None
            else DataRequest(reference=given, labels=labels_path(labels, folder), seed=seed, dimensions=bound),
            calibration=None if calibrated is None else calibration_request(calibrated, seed, bound),
            task=task,
            dimensions=bound,
            samples=samples,
            seed=seed,
        )


@contextmanager
def _naming_objects(folder: Path, names: Sequence[str], *, is_lone: bool) -> Iterator[None]:
    """Lets errors call objects of the caller's what they are, in place of the files that they were saved in."""
    try:
        yield
    except CrossrtError as error:
        error.args = (naming_objects(str(error), folder, names, is_lone=is_lone),)
        raise


def naming_objects(text: str, folder: Path, names: Sequence[str], *, is_lone: bool) -> str:
    """A message with `the data` in place of the file that they were saved in.

    Args:
        text: The message.
        folder: Where objects were saved.
        names: The files of those that are objects.
        is_lone: Whether arrays have no names of their own.
    """
    for name in names:
        file = rf"(?:{re.escape(str(folder))}/)?(?<![\w.-]){re.escape(name)}(?!\w)"
        if not re.search(rf"/{re.escape(name)}", text.replace(f"{folder}/", "")):  # else a file of the caller's
            text = re.sub(rf"(?:the data set |the data )?{file}", _OBJECTS[name], text)
    if not (is_lone and _DATA in names):
        return text
    text = text.replace("the array 'input'", "the array")
    return re.sub(r"`[^`]*`", lambda code: re.sub(r"\binput\b", "array", code[0]), text)


@contextmanager
def python_words() -> Iterator[None]:
    """Lets errors speak of Python; a process that failed is an error of crossrt's own as well."""
    try:
        yield
    except CrossrtError as error:
        error.args = (in_python(str(error)),)
        raise
    except ChildFailedError as failure:
        raise ExportError(in_python(failure.reason)) from failure
