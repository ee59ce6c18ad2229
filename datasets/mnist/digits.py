"""The MNIST digits: what ships with the package, and the full training set from a folder or the network.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.readers.idx import open_idx

SHIPPED = Path(__file__).parent / "data"
CLASSES = 10
SIDE = 28
Split = Literal["test", "train"]

_STEMS: dict[Split, str] = {"test": "t10k", "train": "train-10k"}
_MOST_BYTES = 64 * 2**20
_NPZ_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_NPZ_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Labelled digits: `images` uint8 `(count, 28, 28)`, `labels` uint8 `(count,)` with values 0 to 9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def as_input(self) -> NDArray[np.float32]:
        """What the models take: float32 `(count, 28, 28, 1)`, grey levels scaled to 0..1."""
        return (self.images[..., np.newaxis] / np.float32(255)).astype(np.float32, copy=False)


def shipped(split: Split) -> Digits:
    """The 10,000 test digits, or the first 10,000 training digits, that come with the package."""
    stem = _STEMS[split]
    return _read_pair(SHIPPED / f"{stem}-images-idx3-ubyte.gz", SHIPPED / f"{stem}-labels-idx1-ubyte.gz")


def full_training_set(folder: Path) -> Digits:
    """The 60,000 training digits from a folder that holds the original files, gzipped or not.

    Raises:
        DataError: A file is missing, damaged or of the wrong shape.
    """
    return _read_pair(_find(folder, "train-images-idx3-ubyte"), _find(folder, "train-labels-idx1-ubyte"))


def download_training_set() -> Digits:
    """The 60,000 training digits through Keras's downloader, which keeps them in its own cache.

    Raises:
        DataError: The download failed or its SHA-256 is not the published one.
    """
    import keras

    try:
        path = keras.utils.get_file("mnist.npz", origin=_NPZ_URL, file_hash=_NPZ_SHA256)
        if hashlib.sha256(Path(path).read_bytes()).hexdigest() != _NPZ_SHA256:
            raise DataError(f"{path} is not the published mnist.npz: delete it and try again")
        with np.load(path, allow_pickle=False) as archive:
            return _digits(archive["x_train"], archive["y_train"], where=str(path))
    except DataError:
        raise
    except Exception as error:  # the downloader raises a bare Exception
        raise DataError(
            f"MNIST could not be downloaded ({error}); give the folder of the four original files with --data instead"
        ) from error


@cache
def shipped_sha256(split: Split) -> str:
    """Hash of the shipped images and labels of one split, as stored."""
    stem = _STEMS[split]
    digest = hashlib.sha256()
    for name in (f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz"):
        digest.update((SHIPPED / name).read_bytes())
    return digest.hexdigest()


def _find(folder: Path, stem: str) -> Path:
    candidates = [folder / f"{stem}.gz", folder / stem]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataError(f"{folder} has no {stem}.gz: name the folder that holds the four original MNIST files")


def _read_pair(images: Path, labels: Path) -> Digits:
    return _digits(
        read_idx(images, dimensions=3),
        read_idx(labels, dimensions=1),
        where=str(images),
    )


def _digits(images: NDArray[np.uint8], labels: NDArray[np.uint8], *, where: str) -> Digits:
    if images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise DataError(f"{where} holds images of shape {images.shape}; MNIST is (count, {SIDE}, {SIDE})")
    if labels.shape != (len(images),):
        raise DataError(f"{where} holds {len(images)} images, but its label file holds {labels.size} labels")
    if labels.max() >= CLASSES:
        raise DataError(f"the labels beside {where} go up to {labels.max()}; MNIST's are 0 to {CLASSES - 1}")
    return Digits(images=images, labels=labels)


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Reads one IDX file of unsigned bytes, gzipped or not.

    Raises:
        DataError: Not an IDX file of unsigned bytes with so many dimensions, cut short, or larger than 64 MiB.
    """
    rows = open_idx(path, _MOST_BYTES)
    if rows.dtype != np.uint8 or len(rows.shape) != dimensions:
        raise DataError(
            f"{path} is not an MNIST file: found {rows.dtype} {rows.shape}; expected uint8 of {dimensions} dimension(s)"
        )
    return rows.take(range(rows.shape[0]))
