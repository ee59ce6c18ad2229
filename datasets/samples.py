"""Data sets made of arrays that are read by row, and views of other data sets."""

from __future__ import annotations

import contextlib
import hashlib
import math
import mmap
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.tensor import TensorSpec
from crossrt.core.user_code import line_of
from crossrt.datasets.protocol import Arrays, Dataset

CHUNK_BYTES = 2**24
"""What a pass over all samples holds in memory at once, where one sample is not larger."""


class Rows(Protocol):
    """An array whose first axis counts samples; only what is taken is read."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, in native byte order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The whole shape: the first number counts samples."""

    def take(self, indices: Sequence[int]) -> NDArray[Any]:
        """Some rows, in the order asked for, as an array of their own."""


class MemoryRows:
    """Rows of an array in memory, or of a memory map."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")
        self.shape: tuple[int, ...] = array.shape

    @property
    def whole(self) -> NDArray[Any] | None:
        """The array, in native byte order; None where it is a memory map, which is read as it is needed."""
        base: Any = self._array
        while base is not None:
            if isinstance(base, np.memmap | mmap.mmap):
                return None
            base = getattr(base, "base", None)
        return self._array.astype(self.dtype, copy=False)

    def take(self, indices: Sequence[int]) -> NDArray[Any]:
        """Some rows, copied."""
        return np.asarray(self._array[np.asarray(indices, dtype=np.intp)]).astype(self.dtype, order="C", copy=False)


class ArrayDataset:
    """Samples held in one array for each input.

    Args:
        name: For people.
        arrays: Rows of each input, all with the same number of samples.
        labels: One for each sample, or None.
        shared: Arrays that all samples share.
        notes: What a reader must know.
        identity: What the fingerprint is made from where hashing all samples costs more; None hashes all samples.
        expected_outputs: What the data set's makers say a model answers, by name of the output; each starts with an
            axis for samples.
        classes: Names of the classes that labels number or name, in the order of the model's output.

    Raises:
        DataError: Numbers of samples differ, or a dtype is not that of numbers or text.
    """

    def __init__(
        self,
        name: str,
        arrays: Mapping[str, Rows],
        *,
        labels: NDArray[Any] | None = None,
        shared: Mapping[str, NDArray[Any]] | None = None,
        notes: Sequence[str] = (),
        identity: Callable[[], str] | None = None,
        expected_outputs: Mapping[str, NDArray[Any]] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self.name, self.labels, self.notes = name, labels, tuple(notes)
        self.classes = tuple(classes)
        self.expected_outputs: Mapping[str, NDArray[Any]] = expected_outputs or {}
        self._arrays, self._shared, self._identity = dict(arrays), dict(shared or {}), identity
        if not arrays:
            raise DataError(f"{name} holds no array that could feed a model")
        if labels is not None:
            dtype_name(labels.dtype, f"{name}: labels")
        self._count = _count(name, {key: rows.shape for key, rows in arrays.items()}, labels)
        specs = [(key, rows.dtype, rows.shape[1:]) for key, rows in arrays.items()]
        specs += [(key, array.dtype, array.shape) for key, array in self._shared.items()]
        self.inputs: Mapping[str, TensorSpec] = {
            key: TensorSpec(name=key, dtype=dtype_name(dtype, f"{name}: array {key!r}"), shape=shape)
            for key, dtype, shape in specs
        }
        self.shared = frozenset(self._shared)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all samples and labels, computed when it is first asked for."""
        return self._identity() if self._identity else content_fingerprint(self)

    @property
    def has_identity(self) -> bool:
        """Whether the fingerprint is made from something else than the samples."""
        return self._identity is not None

    @property
    def in_memory(self) -> Mapping[str, NDArray[Any]] | None:
        """The whole arrays in the order of `inputs`, where all of them are in memory; None where samples are read."""
        whole = {key: rows.whole for key, rows in self._arrays.items() if isinstance(rows, MemoryRows)}
        found = {key: array for key, array in whole.items() if array is not None}
        return {**found, **self._shared} if len(found) == len(self._arrays) else None

    def __len__(self) -> int:
        """Number of samples."""
        return self._count

    def feeds(self, indices: Sequence[int]) -> Arrays:
        """Arrays of some samples; see `Dataset.feeds`."""
        check_indices(self, indices)
        return {**{key: rows.take(indices) for key, rows in self._arrays.items()}, **self._shared}


class View:
    """Another data set with fewer samples, other labels or names of classes, or more notes; checks what that one gives.

    Raises:
        DataError: There are more or fewer labels than samples.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        limit: int | None = None,
        labels: NDArray[Any] | None = None,
        notes: Sequence[str] = (),
        classes: Sequence[str] = (),
    ) -> None:
        self._dataset = dataset
        self.classes = tuple(classes) or tuple(getattr(dataset, "classes", ()))
        self._count = min(len(dataset), limit) if limit is not None else len(dataset)
        own = labels is not None
        labels = labels if own else dataset.labels
        if labels is not None:
            dtype_name(labels.dtype, f"{dataset.name}: labels")
        self.labels: NDArray[Any] | None = None if labels is None else labels[: self._count]
        self._is_whole = not own and self._count == len(dataset)
        self.name, self.inputs, self.shared = dataset.name, dataset.inputs, dataset.shared
        self.notes = (*dataset.notes, *notes)
        expected: Mapping[str, NDArray[Any]] = getattr(dataset, "expected_outputs", {})
        self.expected_outputs = {name: array[: self._count] for name, array in expected.items()}
        if labels is not None and len(labels) != len(dataset) and len(labels) != self._count:
            raise DataError(f"{self.name} has {len(dataset)} samples, but there are {len(labels)} labels")

    @property
    def whole(self) -> Dataset:
        """The other data set."""
        return self._dataset

    @cached_property
    def fingerprint(self) -> str:
        """The data set's own where nothing is left out, else a hash of what is left."""
        return self._dataset.fingerprint if self._is_whole else content_fingerprint(self)

    def __len__(self) -> int:
        """Number of samples."""
        return self._count

    def feeds(self, indices: Sequence[int]) -> Arrays:
        """Arrays of some samples; see `Dataset.feeds`."""
        check_indices(self, indices)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                arrays = self._dataset.feeds(indices)
        except (CrossrtError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise DataError(
                f"{self.name}: samples {min(indices)} to {max(indices)} cannot be read: {type(error).__name__}:"
                f" {error}{line_of(error)}"
            ) from error
        for name, spec in self.inputs.items():
            self._check(name, spec, arrays, len(indices))
        return arrays

    def _check(self, name: str, spec: TensorSpec, arrays: Arrays, count: int) -> None:
        array = arrays.get(name)
        shape = spec.shape if name in self.shared else (count, *spec.shape)
        if not isinstance(array, np.ndarray):
            raise DataError(f"{self.name}: `feeds` gives no array {name!r}, which `inputs` promises")
        found = "str" if array.dtype.kind == "U" else array.dtype.name
        if found != spec.dtype or array.shape != shape:
            raise DataError(
                f"{self.name}: `feeds` gives {name!r} as {found} {array.shape}; `inputs` promises {spec.dtype} {shape}"
            )


def dtype_name(dtype: np.dtype[Any], where: str) -> str:
    """Name of a dtype as `TensorSpec` writes it: numpy's, or `str` for text.

    Raises:
        DataError: Neither numbers, flags nor text.
    """
    if dtype.kind == "U":
        return "str"
    if dtype.kind not in "biuf":
        raise DataError(
            f"{where} is of dtype {dtype}; a model takes numbers, booleans or text: convert it with `.astype(...)`"
        )
    return dtype.name


def chunks(dataset: Dataset, limit: int | None = None) -> Iterator[range]:
    """Runs of samples that fit into `CHUNK_BYTES` together, in order."""
    count = len(dataset) if limit is None else min(limit, len(dataset))
    size = sum(_sample_bytes(spec) for name, spec in dataset.inputs.items() if name not in dataset.shared)
    step = max(1, CHUNK_BYTES // max(1, size))
    return (range(start, min(start + step, count)) for start in range(0, count, step))


def content_fingerprint(dataset: Dataset) -> str:
    """Hash of names, dtypes, shapes, all samples and the labels, read chunk by chunk."""
    digest = hashlib.sha256()
    varying = [name for name in dataset.inputs if name not in dataset.shared]
    for name in dataset.inputs:
        spec = dataset.inputs[name]
        digest.update(f"{name}\0{spec.dtype}\0{spec.shape}\0{name in dataset.shared}\0{len(dataset)}\n".encode())
    for position, indices in enumerate(chunks(dataset)):
        arrays = dataset.feeds(indices)
        for name in sorted(dataset.shared) if position == 0 else ():
            digest.update(array_bytes(arrays[name]))
        if len(varying) == 1 and arrays[varying[0]].dtype.kind != "U":
            digest.update(array_bytes(arrays[varying[0]]))  # the same bytes as row by row
            continue
        for row in range(len(indices)):
            for name in varying:
                digest.update(array_bytes(arrays[name][row]))
    if dataset.labels is not None:
        digest.update(f"labels\0{dataset.labels.dtype.name}\0{dataset.labels.shape}\n".encode())
        digest.update(array_bytes(dataset.labels))
    return digest.hexdigest()


def array_bytes(array: NDArray[Any]) -> bytes:
    """Bytes of an array that depend on its values alone: text without its padding."""
    if array.dtype.kind == "U":
        return "\0".join(f"{len(text)}:{text}" for text in np.ravel(array).tolist()).encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(array).tobytes()


def check_indices(dataset: Dataset, indices: Sequence[int]) -> None:
    """Checks that samples exist.

    Raises:
        DataError: An index is negative or beyond the last sample.
    """
    outside = next((index for index in indices if not 0 <= index < len(dataset)), None)
    if outside is not None:
        raise DataError(f"{dataset.name} has {len(dataset)} samples: there is no sample {outside}")


def _sample_bytes(spec: TensorSpec) -> int:
    size = 64 if spec.dtype == "str" else np.dtype(spec.dtype).itemsize
    return size * math.prod(size for size in spec.shape if isinstance(size, int))


def _count(name: str, shapes: Mapping[str, tuple[int, ...]], labels: NDArray[Any] | None) -> int:
    lengths = {key: shape[0] for key, shape in shapes.items()}
    if labels is not None:
        if not labels.ndim:
            raise DataError(f"{name}: the labels are a single value; expected one for each sample")
        lengths["labels"] = len(labels)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise DataError(
            f"{name}: arrays differ in their first axis, which counts samples ({found}); give each as many samples, or"
            " make what all samples share an array without axes"
        )
    return next(iter(lengths.values()))
