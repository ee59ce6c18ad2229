"""Which data set a user names, in plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from crossrt.core.errors import DataError

CALIBRATION_SPLIT: Final = "train"
"""The part that quantizers are calibrated with, of data that have such a part: never the one that is tested on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """Which data set, in plain values: it travels to other processes, which open the same.

    Attributes:
        reference: A path, a registered name, `module:function`, `file.py:function`, or `random`.
        labels: A path of labels of their own (`.npy`, `.npz`, `.csv`, `.txt`, IDX), or None for those in the data set.
        classes: Names of classes in the order of the model's output: separated by commas, or a file with one a line;
            None for those of the data set.
        split: Which part, for data sets that have parts, such as `test` and `train`.
        fallback_split: Which part is taken where none is named and the data have one of this name.
        limit: Take only so many samples, from the first; None for all.
        seed: Of random inputs.
        dimensions: Sizes of dynamic dimensions, for random inputs.
        served: The folder in which a process of its own serves what the reference names, where that runs code.

    Raises:
        DataError: The limit or the seed is out of range.
    """

    reference: str
    labels: str | None = None
    classes: str | None = None
    split: str | None = None
    fallback_split: str | None = None
    limit: int | None = None
    seed: int = 0
    dimensions: Mapping[str, int] = field(default_factory=dict)
    served: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise DataError(f"the limit of samples must be at least 1; found {self.limit}")
        if self.seed < 0:
            raise DataError(f"the seed must be 0 or more; found {self.seed}")

    def part_of(self, available: Iterable[str]) -> str | None:
        """The part that is meant: the named one, else the one to fall back on where it is available, else None."""
        falls_back = self.split is None and self.fallback_split in tuple(available)
        return self.fallback_split if falls_back else self.split


def calibration_request(reference: str, seed: int, dimensions: Mapping[str, int]) -> DataRequest:
    """What a user names to calibrate with: of data with parts the training part, unless it names another."""
    return DataRequest(reference=reference, fallback_split=CALIBRATION_SPLIT, seed=seed, dimensions=dict(dimensions))
