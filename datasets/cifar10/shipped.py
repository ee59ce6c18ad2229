"""The images that come with the package: a few of each class, of the test and of the training set.

`sample` made the files and says which images they hold: the first of each class, in their order.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from crossrt.core.errors import DataError
from crossrt.datasets.cifar10.images import CHANNELS, CLASSES, SIDE, Images, Split, checked

FOLDER: Final = Path(__file__).parent / "data"
A_CLASS: Final[Mapping[Split, int]] = {"test": 200, "train": 50}
"""How many images of each class ship."""
_IMAGE_BYTES: Final = SIDE * SIDE * CHANNELS
_FILTERS: Final = [
    {"id": lzma.FILTER_DELTA, "dist": CHANNELS},
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0},
]
"""Neighbouring pixels are alike: differences along a channel are stored, which makes the files smaller than PNG's."""


def sample(images: Images, a_class: int) -> Images:
    """The first images of each class, in the order of the whole set."""
    firsts = [np.flatnonzero(images.labels == number)[:a_class] for number in range(CLASSES)]
    chosen = np.sort(np.concatenate(firsts))
    return Images(pixels=images.pixels[chosen], labels=images.labels[chosen])


def shipped(split: Split) -> Images:
    """The 2,000 test images or 500 training images that come with the package.

    Raises:
        DataError: Their file is missing or damaged.
    """
    path, count = _path(split), A_CLASS[split] * CLASSES
    try:
        with lzma.open(path) as file:
            content = file.read(count * (_IMAGE_BYTES + 1) + 1)
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(
            f"{path}, which holds images of CIFAR-10, cannot be read ({error}): install crossrt again, or give the"
            " folder of the whole data set with --data"
        ) from error
    if len(content) != count * (_IMAGE_BYTES + 1):
        raise DataError(f"{path} does not hold {count:,} images: install crossrt again")
    values = np.frombuffer(content, np.uint8)
    return checked(values[count:].reshape(count, SIDE, SIDE, CHANNELS), values[:count], where=str(path))


def write_sample(images: Images, path: Path) -> None:
    """Writes images as all their labels, then all their pixels, packed by `xz`."""
    content = images.labels.tobytes() + images.pixels.tobytes()
    path.write_bytes(lzma.compress(content, format=lzma.FORMAT_XZ, filters=_FILTERS))


@cache
def shipped_sha256(split: Split) -> str:
    """Hash of the shipped images and labels of one split, as stored."""
    return hashlib.sha256(_path(split).read_bytes()).hexdigest()


def _path(split: Split) -> Path:
    return FOLDER / f"{split}-{A_CLASS[split] * CLASSES}.xz"
