"""Samples of a data set as a model takes them: every analysing process opens the data set itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine, quantize
from crossrt.core.errors import DataError
from crossrt.core.tensor import Batching, TensorSpec, batching_of, dynamic_dimensions
from crossrt.datasets.fitting import Fit, fit, model_feeds
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.exporters.calibration import BATCH, calls_of


class Samples:
    """A data set that feeds one model."""

    def __init__(self, dataset: Dataset, found: Fit, inputs: Sequence[TensorSpec], batching: Batching) -> None:
        self._dataset, self._found, self._inputs, self._batching = dataset, found, tuple(inputs), batching

    @classmethod
    def open(cls, fields: Mapping[str, Any], inputs: Sequence[TensorSpec], dimensions: Mapping[str, int]) -> Self:
        """Opens the data set that the fields of a `DataRequest` name, and fits it to a model.

        Raises:
            DataError: It cannot be opened, holds no samples, or does not fit the model.
        """
        dataset = open_dataset(DataRequest(**fields), inputs)
        if not len(dataset):
            raise DataError(f"{dataset.name} holds no samples")
        batching, known = batching_of(inputs), dynamic_dimensions(inputs)
        bound = {name: size for name, size in dimensions.items() if name in known}
        return cls(dataset, fit(dataset, inputs, batching, bound), inputs, batching)

    def __len__(self) -> int:
        return len(self._dataset)

    def calls(self, indices: Sequence[int], most: int = BATCH) -> Iterator[Arrays]:
        """Some samples by input name, about a hundred a call, or as many as the model can run.

        A model with a fixed batch is fed that many: the last call is filled up with the first samples again.

        Args:
            indices: Which samples.
            most: Most samples in a call of a model that takes any number.

        Raises:
            DataError: A sample cannot be read or does not fit.
        """
        for call in calls_of(indices, self._batching, self._inputs, most):
            feeds = model_feeds(self._dataset, self._found, self._inputs, self._batching, call)
            yield native_feeds(feeds, self._inputs)


def native_feeds(feeds: Mapping[str, NDArray[Any]], inputs: Sequence[TensorSpec]) -> Arrays:
    """Feeds in the model's own dtypes: real numbers become its integers, and floats of another width its own."""
    return {spec.name: _native(feeds[spec.name], spec) for spec in inputs}


def _native(values: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    if values.dtype.kind != "f" or values.dtype.name == spec.dtype:
        return values
    if spec.scale is not None:
        affine = Affine(np.asarray(spec.scale, np.float32), np.asarray(spec.zero_point or 0, np.int64))
        return quantize(values, affine, TYPES[spec.dtype]).astype(spec.dtype)
    return values.astype(spec.dtype) if "float" in spec.dtype else values
