"""CIFAR-10 as a data set: the input `image` and the labels, of what ships or of a folder with all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.cifar10.architectures import INPUT_NAME
from crossrt.datasets.cifar10.folders import holds_cifar10, read_images
from crossrt.datasets.cifar10.images import CHANNELS, COUNTS, SIDE, Images, Split, scaled
from crossrt.datasets.cifar10.shipped import shipped, shipped_sha256
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset

_FEW: Final = (
    "these are 500 of the 50,000 training images: give the folder of the whole data set, such as --data FOLDER --split"
    " train, to train on all"
)


class ScaledRows:
    """Images as the models take them, scaled when they are asked for."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self.shape: tuple[int, ...] = (len(images.labels), SIDE, SIDE, CHANNELS)

    def take(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Some images."""
        return scaled(self._images.pixels[np.asarray(indices, dtype=np.intp)])


def shipped_dataset(split: Split) -> Dataset:
    """The shipped images of one split: float32 `(32, 32, 3)` in 0..1, with their labels."""
    images = shipped(split)
    return ArrayDataset(
        f"CIFAR-10 {split}, {len(images.labels):,} of {COUNTS[split]:,} images",
        {INPUT_NAME: ScaledRows(images)},
        labels=images.labels,
        identity=partial(shipped_sha256, split),
        notes=(_FEW,) if split == "train" else (),
    )


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a split of the whole data set, `test` where none is named."""
    del inputs
    name = request.part_of(COUNTS) or "test"
    split = next((each for each in COUNTS if each == name), None)
    if split is None:
        raise DataError(f"the data set {path} has no split {name!r}; available: test, train")
    images = read_images(str(path), split)
    return ArrayDataset(f"CIFAR-10 {split}", {INPUT_NAME: ScaledRows(images)}, labels=images.labels)


SPLITS: Final[Mapping[str, Callable[[], Dataset]]] = {
    "test": partial(shipped_dataset, "test"),
    "train": partial(shipped_dataset, "train"),
}
"""The entry point `cifar10` of the group `crossrt.datasets`."""

READER: Final = Reader(name="CIFAR-10", suffixes=(), recognizes=lambda path, head: holds_cifar10(path, head), read=read)
"""The reader of folders and archives of the whole data set."""
