"""Samples and labels to train and to validate on, in the order of an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.datasets.fitting import Fit, fit, model_feeds
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.parts import Part, place_of, whole_of
from crossrt.datasets.protocol import Dataset
from crossrt.exporters.training.engine import Shape
from crossrt.exporters.training.qat.jobs import QatJob

EVALUATED_AT_ONCE: Final = 256


class Subset(Part):
    """Some samples of a data set, with a name that says how many."""

    def __init__(self, dataset: Dataset, indices: NDArray[np.intp]) -> None:
        super().__init__(dataset, [int(each) for each in indices])
        self.name = f"{len(indices)} samples of {dataset.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Data sets to train and to validate on.

    Attributes:
        train: Trained on.
        validation: Validated on, or None.
        data_fingerprint: Of the data set that is trained on, whole.
        validation_fingerprint: Of a validation set of its own, or None where it is a part of that.
    """

    train: Dataset
    validation: Dataset | None
    data_fingerprint: str
    validation_fingerprint: str | None


def open_split(
    data: Mapping[str, Any], validation: Mapping[str, Any] | None, share: float, seed: int, inputs: Sequence[TensorSpec]
) -> Split:
    """Opens the data; a part is held out, the same for the same seed, unless there are validation data of their own.

    Raises:
        DataError: They cannot be opened, or are too few.
    """
    dataset = open_dataset(DataRequest(**data), inputs)
    if validation is not None:
        other = open_dataset(DataRequest(**validation), inputs)
        return Split(
            train=dataset,
            validation=other,
            data_fingerprint=dataset.fingerprint,
            validation_fingerprint=other.fingerprint,
        )
    held_out = round(share * len(dataset))
    if share and not 0 < held_out < len(dataset):
        raise DataError(
            f"{dataset.name} has {len(dataset)} samples, of which a share of {share:g} cannot be held out for"
            " validation: give --validation-split 0, or --validation DATA"
        )
    order = np.random.default_rng([seed, held_out]).permutation(len(dataset))
    return Split(
        train=Subset(dataset, np.sort(order[held_out:])) if held_out else dataset,
        validation=Subset(dataset, np.sort(order[:held_out])) if held_out else None,
        data_fingerprint=dataset.fingerprint,
        validation_fingerprint=None,
    )


def split_of(job: QatJob, inputs: Sequence[TensorSpec]) -> Split:
    """The data of a job."""
    return open_split(job.data, job.validation, job.validation_share, job.seed, inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A data set as a model takes it, with the labels of its loss.

    Attributes:
        dataset: Gives the samples.
        fit: How it feeds the model.
        inputs: Of the model.
        batching: How samples lie in them.
        labels: As the loss takes them.
    """

    dataset: Dataset
    fit: Fit
    inputs: Sequence[TensorSpec]
    batching: Batching
    labels: NDArray[Any]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    @property
    def signature(self) -> tuple[list[Shape], Shape]:
        """What a function takes that is called with any number of them: inputs and labels."""
        inputs: list[Shape] = []
        for spec in self.inputs:
            sizes: list[Any] = [self.fit.dimensions.get(str(size), size) for size in spec.shape[1:]]
            inputs.append(((None, *sizes), spec.dtype))
        return inputs, ((None, *self.labels.shape[1:]), str(self.labels.dtype))

    def take(self, indices: Sequence[int]) -> tuple[list[NDArray[Any]], NDArray[Any]]:
        """Inputs, in the order of the model's, and labels of some samples."""
        feeds = model_feeds(self.dataset, self.fit, self.inputs, self.batching, indices)
        for name, array in feeds.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                bad = int(np.argwhere(~np.isfinite(array))[0][0])
                raise DataError(
                    f"{whole_of(self.dataset).name}: the input {name!r} holds NaN or infinity in sample"
                    f" {place_of(self.dataset, indices[bad])}: put numbers in its place, or leave such samples out"
                )
        return [feeds[spec.name] for spec in self.inputs], self.labels[np.asarray(indices, np.intp)]

    def epoch(self, seed: int, number: int, size: int) -> Iterator[tuple[list[NDArray[Any]], NDArray[Any]]]:
        """Batches in an order that follows from the seed and the number of the epoch alone."""
        order = np.random.default_rng([seed, number]).permutation(len(self))
        for start in range(0, len(order), size):
            yield self.take([int(each) for each in order[start : start + size]])

    def in_order(self, most: int | None = None) -> Iterator[tuple[list[NDArray[Any]], NDArray[Any]]]:
        """Batches from the first sample on."""
        count = len(self) if most is None else min(most, len(self))
        for start in range(0, count, EVALUATED_AT_ONCE):
            yield self.take(range(start, min(start + EVALUATED_AT_ONCE, count)))


def fitted(dataset: Dataset, inputs: Sequence[TensorSpec], batching: Batching, labels: NDArray[Any]) -> Samples:
    """A data set fitted to a model.

    Raises:
        DataError: It does not fit.
    """
    return Samples(dataset=dataset, fit=fit(dataset, inputs, batching), inputs=inputs, batching=batching, labels=labels)
