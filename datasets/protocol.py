"""What a data set is: samples by number, one array for each input, perhaps labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from crossrt.core.tensor import TensorSpec

Arrays = dict[str, NDArray[Any]]


class Dataset(Protocol):
    """Samples, read when they are asked for.

    `inputs` are keyed by the names that the data set uses; `datasets.fitting` says which input of a model each is. A
    shape in it is that of one sample, without an axis for samples. An array that is the same for all samples has its
    name in `shared`, and its whole shape.
    """

    @property
    def name(self) -> str:
        """A short name for people, such as `test.npz`."""

    @property
    def fingerprint(self) -> str:
        """Hash of all samples and labels, 64 hexadecimal digits: data sets with the same one are the same."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """One entry for each array, in the order of the data set."""

    @property
    def shared(self) -> frozenset[str]:
        """Names of the arrays that all samples share, such as a sampling rate."""

    @property
    def labels(self) -> NDArray[Any] | None:
        """What is right for each sample, `(samples, ...)`, or None where that is not known."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, such as that inputs are random."""

    def __len__(self) -> int:
        """Number of samples."""

    def feeds(self, indices: Sequence[int]) -> Arrays:
        """Arrays of some samples, each `(len(indices), *shape)`; shared ones as they are.

        Raises:
            DataError: A sample cannot be read, or differs from `inputs` in dtype or shape.
        """
