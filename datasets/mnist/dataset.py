"""MNIST as a data set: the input `image` and the labels, the 10,000 test digits or 10,000 training digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.datasets.mnist.digits import SIDE, Digits, Split, shipped, shipped_sha256
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.samples import ArrayDataset

INPUT_NAME = "image"


class ScaledRows:
    """Digits as the models take them, scaled when they are asked for."""

    def __init__(self, digits: Digits) -> None:
        self._digits = digits
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self.shape: tuple[int, ...] = (len(digits.images), SIDE, SIDE, 1)

    def take(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Some digits."""
        chosen = np.asarray(indices, dtype=np.intp)
        return Digits(images=self._digits.images[chosen], labels=self._digits.labels[chosen]).as_input()


def digits_dataset(split: Split) -> Dataset:
    """The shipped digits of one split: float32 `(28, 28, 1)` in 0..1, with their labels."""
    digits = shipped(split)
    return ArrayDataset(
        f"MNIST {split}",
        {INPUT_NAME: ScaledRows(digits)},
        labels=digits.labels,
        identity=partial(shipped_sha256, split),
    )


SPLITS: Final[Mapping[str, Callable[[], Dataset]]] = {
    "test": partial(digits_dataset, "test"),
    "train": partial(digits_dataset, "train"),
}
"""The entry point `mnist` of the group `crossrt.datasets`."""
