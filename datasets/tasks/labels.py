"""Labels of classes: integers of any width, a column of them, or one-hot rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.classes import HOW_TO_ORDER
from crossrt.datasets.tasks.slices import squeezed

MOST_CLASSES: Final = 2**16
_SHOWN: Final = 5


def required_labels(task: str, labels: NDArray[Any] | None, samples: int) -> NDArray[Any]:
    """Labels, which the task cannot do without.

    Raises:
        DataError: There are none, or not as many as samples, or they are text, or hold NaN or infinity.
    """
    if labels is None:
        raise DataError(f"task {task} needs labels; add them to the data as `labels`, or use the task agreement")
    if labels.ndim == 0 or len(labels) != samples:
        raise DataError(f"labels have the shape {labels.shape} for {samples} samples; expected ({samples}, ...)")
    check_numbers(labels)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        bad = ~np.isfinite(labels.reshape(samples, -1)).all(axis=1)
        raise DataError(
            f"the labels of {int(bad.sum())} of {samples} samples hold NaN or infinity, first that of sample"
            f" {int(bad.argmax())}: leave out what has no label, or score it by a metric of your own, such as --task"
            " metrics.py:known_ones"
        )
    return labels


def check_numbers(labels: NDArray[Any]) -> None:
    """Refuses labels that are no numbers: names are numbered where the data are opened, if their order is known.

    Raises:
        DataError: They are text, or something else.
    """
    if labels.dtype.kind in "US":
        names = np.unique(labels).tolist()
        shown = ", ".join(repr(each) for each in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise DataError(
            f"labels are text ({shown}); a class is the number of its score in the model's output, from 0:"
            f" {HOW_TO_ORDER}"
        )
    if labels.dtype.kind not in "biuf":
        raise DataError(f"labels are {labels.dtype}; numbers are expected: give each class an integer from 0")


def class_labels(task: str, labels: NDArray[Any] | None, samples: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The class of each sample, and what a reader must know of how it was read.

    Raises:
        DataError: There are no labels, or they are not classes.
    """
    array = squeezed(required_labels(task, labels, samples))
    if array.ndim == 1:
        return _integers(array)
    if array.ndim == 2 and is_one_hot(array):
        return array.argmax(axis=1).astype(np.int64), (f"labels are one-hot rows of {array.shape[1]} classes",)
    raise DataError(
        f"labels have the shape {array.shape}, which is neither one class per sample ({samples},) nor one-hot rows;"
        " for several classes per sample use the task multilabel, for numbers the task regression"
    )


def check_width(labels: NDArray[Any] | None, classes: int, output: str) -> None:
    """Refuses one-hot rows of more classes than there are scores: these are the classes of another model.

    Raises:
        DataError: They are wider; the message names both numbers.
    """
    array = None if labels is None else squeezed(labels)
    if array is not None and array.ndim == 2 and array.shape[1] > classes:
        raise DataError(
            f"labels are one-hot rows of {array.shape[1]} classes, but output {output!r} has {classes}; give rows of"
            f" {classes} columns, or integers from 0 to {classes - 1}"
        )


def is_one_hot(array: NDArray[Any]) -> bool:
    """True if each row of a matrix has a single 1 among zeros."""
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _integers(array: NDArray[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if array.dtype.kind == "f":
        broken = array[array != np.floor(array)]
        if broken.size:
            raise DataError(
                f"labels are {array.dtype} and hold {_listed(broken)} ({broken.size} of {array.size} samples); integers"
                " are expected for classes, or use the task regression"
            )
        notes = (f"labels are whole numbers in {array.dtype}, read as classes",)
    if array.size and float(array.max()) > np.iinfo(np.int64).max:
        raise DataError(f"labels reach {array.max()}; at most {MOST_CLASSES} classes are supported, counted from 0")
    return array.astype(np.int64), notes


def check_range(labels: NDArray[np.int64], classes: int, output: str) -> None:
    """Refuses labels outside the classes.

    Raises:
        DataError: There are some; the message names values and how many samples have them.
    """
    outside = labels[(labels < 0) | (labels >= classes)]
    if not outside.size:
        return
    hint = "; if they count from 1, subtract 1" if labels.min() == 1 and labels.max() == classes else ""
    raise DataError(
        f"labels hold {_listed(outside)} ({outside.size} of {labels.size} samples), outside the {classes} classes of"
        f" output {output!r}; expected 0 to {classes - 1}{hint}"
    )


def _listed(values: NDArray[Any]) -> str:
    """The first of the different values, for messages."""
    different = np.unique(values)
    more = f" and {different.size - _SHOWN} other values" if different.size > _SHOWN else ""
    return ", ".join(str(value) for value in different[:_SHOWN].tolist()) + more
