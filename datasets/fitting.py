"""Which array of a data set feeds which input of a model, and samples laid out as the model takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.datasets.layout import fed_dtype, sample_spec, savez_line
from crossrt.datasets.matching import matched, problem_with
from crossrt.datasets.protocol import Arrays, Dataset

__all__ = ["Fit", "fed_dtype", "fit", "model_feeds", "savez_line"]

_LOOKED_AT = 8
"""Samples that `fit` reads to see whether an array that a call shares differs among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a data set feeds a model.

    Attributes:
        arrays: For each input of the model, by name: the name of the data set's array.
        dimensions: Sizes of dynamic dimensions (other than the batch) that follow from the data.
        notes: What a reader must know, such as that an array was matched by its shape.
    """

    arrays: Mapping[str, str]
    dimensions: Mapping[str, int]
    notes: tuple[str, ...] = ()


def fit(
    dataset: Dataset, inputs: Sequence[TensorSpec], batching: Batching, dimensions: Mapping[str, int] | None = None
) -> Fit:
    """Matches arrays and inputs: by name, a single one whatever its name, else by shape and dtype where only one fits.

    Args:
        dataset: Gives the samples.
        inputs: The model's inputs.
        batching: How samples lie in them.
        dimensions: Sizes that the user has bound.

    Raises:
        DataError: Arrays are missing or left over, or a dtype or a shape does not fit; the message names what was
            found, what is expected, and the change that would fit.
    """
    if not len(dataset):
        raise DataError(f"the data set {dataset.name} has no samples; expected at least one")
    arrays, notes = matched(dataset, inputs, batching)
    problems = [problem_with(dataset, arrays[spec.name], spec, batching) for spec in inputs]
    if found := [problem for problem in problems if problem]:
        raise DataError(f"the data set {dataset.name} does not fit the model: {'; '.join(found)}")
    sizes = _dimensions(dataset, arrays, inputs, batching, dimensions or {})
    constant = _constant(dataset, arrays, inputs, batching)
    for name in constant:
        first = dataset.feeds(range(min(_LOOKED_AT, len(dataset))))[arrays[name]]
        _check_same(dataset, arrays[name], name, first, first[0])
        notes += (f"input {name} has no axis for samples: every sample must hold the same value",)
    return Fit(arrays=arrays, dimensions=sizes, notes=notes)


def model_feeds(
    dataset: Dataset, found: Fit, inputs: Sequence[TensorSpec], batching: Batching, indices: Sequence[int]
) -> Arrays:
    """Some samples as the model takes them in one call, by name of the input: contiguous arrays.

    Raises:
        DataError: A sample cannot be read or does not fit.
    """
    _check_count(batching, len(indices))
    arrays = dataset.feeds(indices)
    constant = _constant(dataset, found.arrays, inputs, batching)
    first = dataset.feeds([0]) if constant else {}
    feeds: Arrays = {}
    for spec in inputs:
        name = found.arrays[spec.name]
        array, axis = arrays[name], batching.axes.get(spec.name)
        if spec.name in constant:
            _check_same(dataset, name, spec.name, array, first[name][0])
            array = first[name][0]
        elif name in dataset.shared:
            array = array if axis is None else np.broadcast_to(array, (len(indices), *array.shape))
        elif not batching.is_batched:
            array = array[0]
        feeds[spec.name] = _laid_out(array, axis)
    return feeds


def _laid_out(array: NDArray[Any], axis: int | None) -> NDArray[Any]:
    moved = array if axis is None else np.moveaxis(array, 0, axis)
    return np.asarray(moved, order="C")


def _check_count(batching: Batching, count: int) -> None:
    if count < 1:
        raise DataError("a call needs at least one sample")
    if (refusal := batching.refusal(count)) is not None:
        raise DataError(refusal)


def _constant(
    dataset: Dataset, arrays: Mapping[str, str], inputs: Sequence[TensorSpec], batching: Batching
) -> tuple[str, ...]:
    """Inputs that all samples of a call share, although the data set gives one array for each sample."""
    if not batching.is_batched:
        return ()
    names = [spec.name for spec in inputs if spec.name not in batching.axes]
    return tuple(name for name in names if arrays[name] not in dataset.shared)


def _check_same(dataset: Dataset, name: str, input_name: str, rows: NDArray[Any], first: NDArray[Any]) -> None:
    # NaN is the same as NaN here; text knows no NaN
    same = np.array_equal(rows, np.broadcast_to(first, rows.shape), equal_nan=rows.dtype.kind == "f")
    if not same:
        raise DataError(
            f"input {input_name} has no axis for samples, so all samples of a call share it; the array {name!r} of"
            f" {dataset.name} differs among samples: run with a batch of one (export the model so), or give one value"
        )


def _dimensions(
    dataset: Dataset,
    arrays: Mapping[str, str],
    inputs: Sequence[TensorSpec],
    batching: Batching,
    bound: Mapping[str, int],
) -> dict[str, int]:
    """Sizes of dynamic dimensions as they follow from the data, which must agree with each other and with `bound`."""
    sizes: dict[str, int] = {}
    origin: dict[str, str] = {}
    for spec in inputs:
        name = arrays[spec.name]
        shape = dataset.inputs[name].shape
        for dimension, size in zip(sample_spec(spec, batching).shape, shape, strict=True):
            if not isinstance(dimension, str) or not isinstance(size, int) or dimension == batching.dimension:
                continue
            if dimension in bound and bound[dimension] != size:
                raise DataError(
                    f"the dimension {dimension} of input {spec.name} was set to {bound[dimension]}, but the array"
                    f" {name!r} of {dataset.name} has {size} there: use --dim {dimension}={size}, or leave it out"
                )
            if sizes.setdefault(dimension, size) != size:
                raise DataError(
                    f"the dimension {dimension} is {sizes[dimension]} in the array {origin[dimension]!r} and {size} in"
                    f" {name!r} of {dataset.name}: a model takes one size for it"
                )
            origin.setdefault(dimension, name)
    return sizes
