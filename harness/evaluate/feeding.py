"""How a data set feeds one artifact: which array is which input, and the sizes that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.tensor import dynamic_dimensions
from crossrt.datasets.fitting import Fit, fit
from crossrt.datasets.protocol import Dataset
from crossrt.harness.process.messages import InputFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeding:
    """What an artifact takes of a data set.

    Attributes:
        artifact: The artifact.
        fit: Which array is which input.
        dimensions: Sizes of all its dynamic dimensions but the batch.
        shared: Names of the arrays that all samples share.
    """

    artifact: ModelArtifact
    fit: Fit
    dimensions: Mapping[str, int]
    shared: frozenset[str]

    def inputs(self, files: Mapping[str, Path]) -> tuple[InputFile, ...]:
        """The inputs of the model, read from one file for each array."""
        return tuple(self._input(name, array, files[array]) for name, array in self.fit.arrays.items())

    def _input(self, name: str, array: str, path: Path) -> InputFile:
        batching = self.artifact.batching
        is_shared = array in self.shared or (batching.is_batched and name not in batching.axes)
        return InputFile(
            name=name,
            path=str(path),
            axis=batching.axes.get(name),
            is_shared=is_shared,
            takes_first=is_shared and array not in self.shared,
        )


def feeding_of(artifact: ModelArtifact, dataset: Dataset, asked: Mapping[str, int]) -> Feeding:
    """Fits a data set to an artifact.

    Args:
        artifact: The artifact.
        dataset: Gives the samples.
        asked: Sizes of dimensions that the user bound; names that the artifact does not have do not matter.

    Raises:
        DataError: They do not fit, or a dimension is not bound.
    """
    known = set(dynamic_dimensions(artifact.inputs)) - {artifact.batching.dimension}
    bound = {name: size for name, size in asked.items() if name in known}
    found = fit(dataset, artifact.inputs, artifact.batching, bound)
    dimensions = {**found.dimensions, **bound}
    for name in sorted(known - dimensions.keys()):
        raise DataError(f"the dimension {name} of {artifact.id} is not bound: give its size, such as --dim {name}=128")
    return Feeding(artifact=artifact, fit=found, dimensions=dimensions, shared=dataset.shared)
