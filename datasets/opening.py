"""Opening a data set that a user names: a file, a folder, a registered name, or a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset

GROUP = "crossrt.datasets"
RANDOM = "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Which data set, in plain values: it travels to other processes, which open the same.

    Attributes:
        reference: A path, a registered name, `module:function`, `file.py:function`, or `random`.
        labels: A path of labels of their own (`.npy`, `.npz`, `.csv`, `.txt`), or None for those in the data set.
        split: Which part, for data sets that have parts, such as `test` and `train`.
        limit: Take only so many samples, from the first; None for all.
        seed: Of random inputs.
        dimensions: Sizes of dynamic dimensions, for random inputs.
    """

    reference: str
    labels: str | None = None
    split: str | None = None
    limit: int | None = None
    seed: int = 0
    dimensions: Mapping[str, int] = field(default_factory=dict)


def open_dataset(request: DataRequest, inputs: Sequence[TensorSpec] | None = None) -> Dataset:
    """Opens a data set.

    Args:
        request: Which.
        inputs: Inputs of the model; random data are drawn from them.

    Raises:
        DataError: It cannot be found, opened or understood.
    """
    raise NotImplementedError
