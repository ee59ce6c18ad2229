"""Names of classes: in which order a model's output has them, and labels that are names as their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.owned import irregular
from crossrt.datasets.protocol import Dataset

CLASSES: Final = "classes"
"""The array of names beside `labels`, in the order of the output; text, else it is an input like any other."""

HOW_TO_ORDER: Final = (
    "name the classes in the order of the output: --classes cat,dog or --classes FILE with one name a line, or an array"
    " `classes` beside `labels` in the data"
)
_MOST: Final = 2**16
_LARGEST_FILE: Final = 2**24
_SHOWN: Final = 5


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """The names of a data set's classes, in order; empty where it has none."""
    return tuple(map(str, getattr(dataset, "classes", ())))


def named_classes(text: str) -> tuple[str, ...]:
    """Names that the user gives: separated by commas, or a file with one a line.

    Raises:
        DataError: The file cannot be read, or a name is empty or stands there twice.
    """
    path = Path(text).expanduser()
    is_list = "," in text and not path.exists()
    names = text.split(",") if is_list else _lines(path)
    return checked_names([each.strip() for each in names], "--classes" if is_list else str(path))


def checked_names(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of classes, each of them once.

    Raises:
        DataError: One is empty or stands there twice, or there are too few or too many.
    """
    if not 1 < len(names) <= _MOST:
        raise DataError(f"{where} names {len(names)} class(es); from 2 to {_MOST:,} are expected")
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if not name.strip():
            raise DataError(f"{where}: the name of class {number} is empty; a class is the number of its place, from 0")
        if name in first:
            raise DataError(f"{where} names {name!r} twice, as class {first[name]} and as class {number}; keep one")
        first[name] = number
    return tuple(names)


def names_in(array: NDArray[Any], where: str) -> tuple[str, ...]:
    """Names from an array of text.

    Raises:
        DataError: It has more than one axis, or a name is empty or stands there twice.
    """
    if array.ndim != 1:
        raise DataError(f"{where} has the shape {array.shape}; one name for each class is expected")
    return checked_names([str(each) for each in array.tolist()], where)


def as_names(labels: NDArray[Any], names: Sequence[str], where: str) -> NDArray[Any]:
    """Labels that number names as these; anything else as it is.

    Raises:
        DataError: There is no name for a number.
    """
    if labels.dtype.kind not in "iu" or not labels.size:
        return labels
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(names):
        raise DataError(
            f"{where}: labels go from {labels.min()} to {labels.max()}, but {len(names)} classes have names"
        )
    return np.array(names)[labels.astype(np.intp)].astype(np.str_)


def numbered(labels: NDArray[Any], names: Sequence[str], where: str, *, checks: bool = True) -> NDArray[Any]:
    """Labels that are names as the numbers of these; numbers as they are.

    Args:
        labels: One or more for each sample.
        names: Of the classes, in the order of the output.
        where: The data set, for messages.
        checks: Whether to look if numbers could be names.

    Raises:
        DataError: A label is not among the names, or it cannot be said whether it is a name or a number.
    """
    if labels.dtype.kind != "U":
        if checks:
            _check_numbers(labels, names, where)
        return labels
    places = {name: number for number, name in enumerate(names)}
    found, inverse, counts = np.unique(labels.ravel(), return_inverse=True, return_counts=True)
    texts = [str(each) for each in found.tolist()]
    if unknown := [(text, int(count)) for text, count in zip(texts, counts, strict=True) if text not in places]:
        shown = ", ".join(repr(text) for text, _ in unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
        samples = sum(count for _, count in unknown)
        raise DataError(
            f"{where}: the labels of {samples} of {labels.size} samples are not among the {len(names)} classes"
            f" ({listed(names)}): {shown}{_nearly(unknown[0][0], names)}"
        )
    return np.array([places[text] for text in texts], np.int64)[inverse].reshape(labels.shape)


def _check_numbers(labels: NDArray[Any], names: Sequence[str], where: str) -> None:
    """Refuses numbers where the names are numbers as well, but in another order."""
    if labels.dtype.kind not in "iu":
        return
    other = next((name for number, name in enumerate(names) if name.isdecimal() and name != str(number)), None)
    if other is not None:
        raise DataError(
            f"{where}: labels are numbers, and so is the name of class {names.index(other)}, {other!r}: it cannot be"
            " said which is meant; save labels as text, or leave the names out"
        )


def _nearly(text: str, names: Sequence[str]) -> str:
    """A hint where a name differs in capitals or space only."""
    near = next((name for name in names if name.strip().casefold() == text.strip().casefold()), None)
    return "" if near is None else f"; {near!r} is: names are compared letter by letter"


def listed(names: Sequence[str]) -> str:
    """The first of the names, for messages."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _lines(path: Path) -> list[str]:
    if (kind := irregular(path)) is not None:
        raise DataError(f"the file of classes {path} is {kind}")
    if not path.is_file():
        raise DataError(f"the file of classes {path} does not exist; or give names separated by commas, as in cat,dog")
    if path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"the file of classes {path} has {path.stat().st_size:,} bytes; expected one name a line")
    try:
        return path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"the file of classes {path} is not text in UTF-8: {error}") from error
