"""Which array of a data set feeds which input of a model, and samples laid out as the model takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossrt.core.tensor import Batching, TensorSpec
from crossrt.datasets.protocol import Arrays, Dataset


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
    raise NotImplementedError


def model_feeds(
    dataset: Dataset, found: Fit, inputs: Sequence[TensorSpec], batching: Batching, indices: Sequence[int]
) -> Arrays:
    """Some samples as the model takes them in one call, by name of the input: contiguous arrays.

    Raises:
        DataError: A sample cannot be read or does not fit.
    """
    raise NotImplementedError
