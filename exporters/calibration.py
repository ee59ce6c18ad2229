"""The samples that calibrate a quantization: which, in which order, and as the model takes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossrt.core.tensor import Batching, TensorSpec, batching_of
from crossrt.datasets.fitting import Fit, fit, model_feeds
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import Recipe

NEEDS_CALIBRATION = "needs --calibration DATA"

BATCH = 100
"""Most samples in one call of a model, while it is calibrated."""

MOST_CALL_BYTES = 4 * 2**20
"""Inputs of one call hold about so much: activations are a multiple of it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which samples: `samples` of a data set, in an order that `seed` shuffles."""

    samples: int
    seed: int

    def indices(self, available: int) -> list[int]:
        """Numbers of the samples, out of so many; all of them where there are fewer."""
        order = np.random.default_rng(self.seed).permutation(available)
        return [int(index) for index in order[: self.samples]]


def selection_of(recipe: Recipe | None) -> Selection | None:
    """What a recipe is calibrated with, or None where nothing is."""
    found = None if recipe is None else recipe.calibrated_with
    return None if found is None else Selection(*found)


class Calibration:
    """A data set that calibrates one model."""

    def __init__(self, dataset: Dataset, found: Fit, inputs: Sequence[TensorSpec], batching: Batching) -> None:
        if not len(dataset):
            raise ExportError(f"the calibration data {dataset.name} hold no samples: at least 1 is needed")
        self._dataset, self._found, self._inputs, self._batching = dataset, found, tuple(inputs), batching

    @classmethod
    def open(
        cls, fields: Mapping[str, Any], inputs: Sequence[TensorSpec], dimensions: Mapping[str, int]
    ) -> Calibration:
        """Opens the data set that the fields of a `DataRequest` name, and fits it to a model with bound dimensions.

        Raises:
            DataError: It cannot be opened, or does not fit the model.
        """
        request = DataRequest(**fields)
        dataset, batching = open_dataset(request, inputs), batching_of(inputs)
        found = fit(dataset, inputs, batching, {**request.dimensions, **dimensions})
        return cls(dataset, found, inputs, batching)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs of the model that it feeds."""
        return self._inputs

    @property
    def dimensions(self) -> Mapping[str, int]:
        """Sizes of dynamic dimensions that follow from the data."""
        return self._found.dimensions

    def count(self, which: Selection) -> int:
        """How many samples that are."""
        return min(which.samples, len(self._dataset))

    def sha256(self, which: Selection) -> str:
        """Fingerprint of the samples, in order."""
        content = [self._dataset.fingerprint, which.indices(len(self._dataset))]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def feeds(self, which: Selection, most: int = BATCH) -> Iterator[Arrays]:
        """The samples by input name, a call at a time, up to `most` in each.

        A model with a fixed batch is fed that many: the last call is filled up with the first samples again.

        Raises:
            ExportError: A sample holds NaN or infinity: every range would be ruined.
        """
        indices = which.indices(len(self._dataset))
        for call in calls_of(indices, self._batching, self._inputs, most):
            feeds = model_feeds(self._dataset, self._found, self._inputs, self._batching, call)
            _check_finite(feeds, call)
            yield feeds


def calls_of(
    indices: Sequence[int], batching: Batching, inputs: Sequence[TensorSpec], most: int
) -> Iterator[Sequence[int]]:
    """Cuts samples into calls: those that a fixed batch takes, one for a model without a batch, else about `most`."""
    if batching.dimension is None:
        size = batching.size or 1
        for start in range(0, len(indices), size):
            call = list(indices[start : start + size])
            yield call + [indices[number % len(indices)] for number in range(size - len(call))]
        return
    size = samples_in_a_call(inputs, most, MOST_CALL_BYTES)
    for part in np.array_split(np.asarray(indices), max(1, len(indices) // size)):
        yield [int(index) for index in part]


def samples_in_a_call(inputs: Sequence[TensorSpec], most: int, most_bytes: int) -> int:
    """How many samples of a model fit into so many bytes, at least 1 and up to `most`."""
    sample = sum(
        np.prod([size for size in spec.shape if isinstance(size, int)], dtype=np.float64) * _item_bytes(spec)
        for spec in inputs
    )
    return int(min(most, max(1, most_bytes // max(sample, 1))))


def _item_bytes(spec: TensorSpec) -> int:
    return 32 if spec.dtype == "str" else np.dtype(spec.dtype).itemsize


def _check_finite(feeds: Arrays, call: Sequence[int]) -> None:
    for name, values in feeds.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            first, last = min(call), max(call)
            raise ExportError(
                f"calibration samples hold NaN or infinity in {name}, among samples {first} to {last}: remove them"
            )
