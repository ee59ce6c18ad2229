"""Some samples of a data set as a data set, and a cut into two parts that share no sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.tensor import TensorSpec
from crossrt.datasets.checks import sample_hashes
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.datasets.samples import content_fingerprint


class Part:
    """Some samples of another data set, in the order of their numbers."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.whole, self.indices = dataset, sorted(indices)
        self.name, self.shared, self.notes = dataset.name, dataset.shared, dataset.notes
        self.inputs: Mapping[str, TensorSpec] = dataset.inputs

    @cached_property
    def labels(self) -> NDArray[Any] | None:
        """Labels of these samples, `(samples, ...)`."""
        return None if self.whole.labels is None else self.whole.labels[np.asarray(self.indices, np.intp)]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of these samples and labels."""
        return content_fingerprint(self)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.indices)

    def feeds(self, indices: Sequence[int]) -> Arrays:
        """Arrays of some samples; see `Dataset.feeds`."""
        return self.whole.feeds([self.indices[index] for index in indices])


def whole_of(dataset: Dataset) -> Dataset:
    """What the user gave: the data set itself, or the one that it is a part of."""
    return whole_of(dataset.whole) if isinstance(dataset, Part) else dataset


def place_of(dataset: Dataset, index: int) -> int:
    """The number of a sample in what the user gave."""
    return place_of(dataset.whole, dataset.indices[index]) if isinstance(dataset, Part) else index


def cut(dataset: Dataset, share: float, seed: int, samples: int | None = None) -> tuple[list[int], list[int]]:
    """Numbers of the samples of two parts, drawn at random; equal samples fall into one part.

    Args:
        dataset: What is cut.
        share: Of the distinct samples that go into the second part, above 0 and below 1.
        seed: Of the drawing.
        samples: Use only so many, from the first; None for all.
    """
    hashes = list(sample_hashes(dataset))[:samples]
    distinct = list(dict.fromkeys(hashes))
    order = np.random.default_rng(seed).permutation(len(distinct))
    count = min(max(1, round(share * len(distinct))), len(distinct) - 1)
    second = {distinct[index] for index in order[:count]}
    places = range(len(hashes))
    return [each for each in places if hashes[each] not in second], [each for each in places if hashes[each] in second]
