"""A folder of images, one folder for each class: decoded when they are asked for, never resized or scaled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import sha256_of
from crossrt.core.errors import DataError
from crossrt.core.install import install_command
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset

SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_CHANNELS: Final[Mapping[str, int]] = {"L": 1, "RGB": 3, "RGBA": 4}


def pillow() -> Any:
    """Pillow's module of images.

    Raises:
        DataError: It is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise DataError(f"images are read with Pillow, which is not installed: {install_command('pillow')}") from error
    return Image


@dataclass(frozen=True, slots=True)
class ImageRows:
    """Images in files, all of one size, as uint8 `(height, width, channels)`."""

    paths: tuple[Path, ...]
    sample: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(images, height, width, channels)`."""
        return (len(self.paths), *self.sample)

    def take(self, indices: Sequence[int]) -> NDArray[Any]:
        """Decodes some images."""
        rows = np.empty((len(indices), *self.sample), np.uint8)
        for position, index in enumerate(indices):
            rows[position] = self._decoded(self.paths[index])
        return rows

    def _decoded(self, path: Path) -> NDArray[np.uint8]:
        image_module = pillow()
        try:
            with image_module.open(path) as image:
                pixels = np.asarray(image)
        except (OSError, ValueError, SyntaxError, image_module.DecompressionBombError) as error:
            raise _unreadable(path, error) from error
        if pixels.dtype != np.uint8 or pixels.size != np.prod(self.sample):
            raise DataError(f"{path} was changed while it was in use: {pixels.dtype} {pixels.shape}")
        return pixels.reshape(self.sample)


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a folder of images; folders in it are classes, in sorted order."""
    folder = _part(path, request.part_of(_parts(path)))
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    groups = [_images_in(each) for each in classes] or [_images_in(folder)]
    paths = tuple(each for group in groups for each in group)
    _check_classes(folder, classes, groups)
    name = inputs[0].name if inputs and len(inputs) == 1 else "images"
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups]) if classes else None
    return ArrayDataset(
        path.name,
        {name: ImageRows(paths, _common_shape(paths))},
        labels=labels,
        classes=tuple(each.name for each in classes),
        notes=(_class_note(classes), "images are fed as uint8 pixels (height, width, channels), not resized or scaled"),
        identity=lambda: _hash(folder, paths),
    )


def _check_classes(folder: Path, classes: Sequence[Path], groups: Sequence[Sequence[Path]]) -> None:
    """Refuses what would shift the numbers of classes, or leave images without one."""
    if not any(groups):
        raise DataError(f"{folder} holds no images; expected one folder of images for each class")
    if classes and (stray := _images_in(folder)):
        raise DataError(f"{folder} holds images beside folders of images: {stray[0].name} has no class")
    empty = [each.name for each, images in zip(classes, groups, strict=False) if not images]
    if classes and empty:
        raise DataError(
            f"{folder}: the folders {', '.join(empty[:3])} hold no images, but each folder is a class and counts among"
            " them: move those that are not classes elsewhere"
        )


def _part(path: Path, split: str | None) -> Path:
    if split is None:
        if found := _parts(path):
            raise DataError(f"{path} has splits ({', '.join(found)}): choose one, or name its folder")
        return path
    if not (path / split).is_dir():
        raise DataError(f"{path} has no folder {split!r} for the split")
    return path / split


def _parts(path: Path) -> list[str]:
    """Folders in it that are parts of the data by their names, and hold folders of classes."""
    folders = [path / name for name in ("test", "train", "val", "validation")]
    return [each.name for each in folders if each.is_dir() and not _has_images(each)]


def _images_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())


def _has_images(folder: Path) -> bool:
    return any(each.suffix.lower() in SUFFIXES and each.is_file() for each in folder.iterdir())


def _class_note(classes: Sequence[Path]) -> str:
    if not classes:
        return "images lie in no folders of classes: there are no labels"
    named = [f"{number} = {folder.name}" for number, folder in enumerate(classes[:10])]
    more = f", and {len(classes) - 10} more" if len(classes) > 10 else ""
    names = [folder.name for folder in classes]
    is_numeric = all(name.isdecimal() for name in names)
    order = "sorted as text, in which 10 comes before 2" if is_numeric and names != sorted(names, key=int) else "sorted"
    return f"classes are the folders' names, {order}: {', '.join(named)}{more}"


def _common_shape(paths: Sequence[Path]) -> tuple[int, ...]:
    first = _shape(paths[0])
    for path in paths[1:]:
        if (shape := _shape(path)) != first:
            raise DataError(
                f"{path} is {shape} (height, width, channels), but {paths[0]} is {first}: all images must have one"
                " size and mode; nothing is resized, so resize them as the model was trained"
            )
    return first


def _shape(path: Path) -> tuple[int, ...]:
    image_module = pillow()
    try:
        with image_module.open(path) as image:
            width, height, mode = image.width, image.height, image.mode
    except (OSError, ValueError, SyntaxError, image_module.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if mode not in _CHANNELS:
        raise DataError(
            f"{path} has the mode {mode!r}; expected grey (L), RGB or RGBA with 8 bits a channel: convert it, such as"
            ' with Pillow\'s `image.convert("RGB")`'
        )
    return height, width, _CHANNELS[mode]


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as an image ({error}): remove or replace it")


def _hash(folder: Path, paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n".encode())
        except OSError as error:
            raise _unreadable(path, error) from error
    return digest.hexdigest()


def _is_image_folder(path: Path, head: bytes) -> bool:
    del head
    if not path.is_dir():
        return False
    folders = [each for each in path.iterdir() if each.is_dir()]
    if _has_images(path) or any(_has_images(each) for each in folders):
        return True
    return any(_has_images(each) for folder in folders for each in folder.iterdir() if each.is_dir())


READER = Reader(name="images", suffixes=(), recognizes=_is_image_folder, read=read)
