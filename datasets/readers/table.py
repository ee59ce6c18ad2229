"""Columns of tables as inputs of a model: by the inputs' names, or side by side as one array of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.layout import fed_dtype
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.rows import Spool
from crossrt.datasets.samples import ArrayDataset

LABEL_COLUMNS: Final = ("labels", "label", "target")
CHUNK_ROWS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One array made of columns; a scalar one has a number for each sample, others a vector."""

    name: str
    columns: tuple[str, ...]
    dtype: np.dtype[Any]
    is_scalar: bool = False


class Table:
    """Collects a table chunk by chunk and makes a data set of it.

    Args:
        path: The file, for messages.
        columns: Their names, in order.
        inputs: Of the model; their dtypes are what numbers become.
        wide: Columns whose cells are vectors: each is an array of its own.

    Raises:
        DataError: Columns share a name, or several could be the labels.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        inputs: Sequence[TensorSpec] | None,
        wide: frozenset[str] = frozenset(),
    ) -> None:
        self._path = path
        if twice := sorted({column for column in columns if columns.count(column) > 1}):
            raise DataError(f"{path} has two columns of one name: {', '.join(twice)}; rename one")
        found = [column for column in columns if column.strip().lower() in LABEL_COLUMNS]
        if len(found) > 1:
            raise DataError(f"{path} has several columns of labels ({', '.join(found)}); keep one of them")
        self.label = found[0] if found else None
        self._features = _features([each for each in columns if each != self.label], inputs, wide)
        self._spools = {feature.name: Spool(f"{path}: {feature.name}") for feature in self._features}
        self._labels: list[NDArray[Any]] = []

    def append(self, chunk: Mapping[str, NDArray[Any]]) -> None:
        """Adds rows: one array for each column.

        Raises:
            DataError: A cell is not a number of the dtype that is fed.
        """
        for feature in self._features:
            parts = [converted(chunk[name], feature.dtype, self._where(name)) for name in feature.columns]
            if parts[0].ndim > 1 or feature.is_scalar:
                self._spools[feature.name].append(parts[0])
            else:
                self._spools[feature.name].append(np.stack(parts, axis=1))
        if self.label is not None:
            self._labels.append(np.asarray(chunk[self.label]))

    def dataset(self) -> Dataset:
        """What was collected.

        Raises:
            DataError: No rows or no columns other than labels.
        """
        if not self._features:
            raise DataError(f"{self._path} has no columns other than labels")
        arrays = {name: spool.rows() for name, spool in self._spools.items()}
        kinds = ", ".join(
            f"{each.name} is {each.dtype.name} of {len(each.columns)} column(s)" for each in self._features
        )
        labels = self._numbers_or_names() if self.label is not None and self._labels else None
        return ArrayDataset(self._path.name, arrays, labels=labels, notes=(f"columns of the table: {kinds}",))

    def _numbers_or_names(self) -> NDArray[Any]:
        column = np.concatenate([names_or_values(each) for each in self._labels])
        return numbers_or_names(column, self._where(self.label or ""))

    def _where(self, column: str) -> str:
        return f"{self._path}: column {column!r}"


def _features(columns: Sequence[str], inputs: Sequence[TensorSpec] | None, wide: frozenset[str]) -> tuple[Feature, ...]:
    specs = {spec.name: spec for spec in inputs or ()}
    if specs and set(specs) <= set(columns):
        return tuple(_own(name, specs.get(name)) for name in columns)
    only = inputs[0] if inputs and len(inputs) == 1 else None
    vectors = [_own(name, only if len(columns) == 1 else None) for name in columns if name in wide]
    plain = tuple(name for name in columns if name not in wide)
    if not plain:
        return tuple(vectors)
    name = only.name if only else "features"
    return (Feature(name=name, columns=plain, dtype=_dtype(only)), *vectors)


def _own(name: str, spec: TensorSpec | None) -> Feature:
    # a batch alone, or nothing at all: a number for each sample
    is_scalar = spec is not None and len(spec.shape) < 2
    return Feature(name=name, columns=(name,), dtype=_dtype(spec), is_scalar=is_scalar)


def _dtype(spec: TensorSpec | None) -> np.dtype[Any]:
    if spec is None:
        return np.dtype(np.float32)
    fed = fed_dtype(spec)
    if fed == "str":
        raise DataError(
            f"the input {spec.name} is text, which is not read from tables: use an npz of numpy text arrays"
        )
    return np.dtype(fed)


def converted(values: NDArray[Any], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    """Numbers as a dtype; floats are rounded to it, integers must be exact.

    Raises:
        DataError: A value is not a number, or not one of that dtype.
    """
    if dtype.kind == "f":
        return _parsed(values, np.dtype(np.float64) if values.dtype.kind == "U" else dtype, where).astype(dtype)
    exact = numbers(values, where)
    with np.errstate(invalid="ignore", over="ignore"):
        found = exact.astype(dtype)
    if not (found == exact).all():
        bad = exact[found != exact].ravel()[0]
        raise DataError(f"{where} holds {bad}, which is not {dtype}, the dtype of the model's input")
    return found


def numbers(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Text as integers where all of it is, else as floats; numbers as they are.

    Raises:
        DataError: A value is not a number.
    """
    if values.dtype.kind != "U":
        return _parsed(values, values.dtype, where)
    try:
        return values.astype(np.int64)
    except (ValueError, OverflowError):
        return _parsed(values, np.dtype(np.float64), where)


def names_or_values(values: NDArray[Any]) -> NDArray[Any]:
    """Text that a reader gives as Python objects as an array of text; anything else as it is."""
    is_text = values.dtype == object and all(isinstance(each, str) for each in values.flat)
    return values.astype(np.str_) if is_text else values


def numbers_or_names(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Labels: names of classes where no cell is a number, else numbers.

    Raises:
        DataError: Some cells are numbers and others are not.
    """
    if values.dtype.kind == "U" and not any(not text.strip() or is_number(text) for text in np.unique(values).tolist()):
        return values
    return numbers(values, where)


def _parsed(values: NDArray[Any], dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    if values.dtype.kind not in "biufU":
        raise DataError(f"{where} is {values.dtype}; expected numbers: convert it, or number its categories")
    try:
        return values.astype(dtype, copy=False)
    except (ValueError, OverflowError) as error:
        bad = next(text for text in values.ravel().tolist() if not is_number(text))
        found = f"the text {bad!r}" if bad.strip() else "an empty cell"
        raise DataError(f"{where} holds {found}; expected numbers: fill it, or number its categories") from error


def is_number(text: str) -> bool:
    """Whether text is a number."""
    try:
        np.array([text]).astype(np.float64)
    except (ValueError, OverflowError):
        return False
    return True
