"""IDX files, gzipped or not: images, and labels beside them under the usual names.

A big-endian header (two zero bytes, the type, the number of dimensions, one 32-bit size for each) is followed by the
values.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.rows import FileRows, Spool
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset

_DTYPES: Final = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IMAGES = re.compile(r"images([-.])idx\d(.*)$")
_SPLITS: Final = {"train": ("train",), "test": ("t10k", "test")}


def open_idx(path: Path, most_bytes: int | None = None) -> FileRows:
    """Rows of an IDX file; a gzipped one is unpacked into a temporary file.

    Args:
        path: The file; gzipped if its content says so, or its suffix is `.gz`.
        most_bytes: How large it may be when unpacked; None for no limit.

    Raises:
        DataError: Not an IDX file, cut short, altered, or too large.
    """
    with path.open("rb") as file:
        is_zipped = path.suffix == ".gz" or file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_zipped:
            return _rows(path, file, most_bytes)
        spool = _unpacked(path, file, most_bytes)
    return _rows(path, spool.file, most_bytes)


def _rows(path: Path, file: IO[bytes], most_bytes: int | None) -> FileRows:
    size = os.fstat(file.fileno()).st_size
    if most_bytes is not None and size > most_bytes:
        raise _too_large(path, most_bytes)
    dtype, shape, offset = _header(path, os.pread(file.fileno(), 4 + 4 * 255, 0))
    promised, found = dtype.itemsize * math.prod(shape), size - offset
    if promised != found:
        raise DataError(f"{path} promises {promised} bytes {shape} and holds {found}: it was cut short or altered")
    return FileRows(file, where=str(path), offset=offset, dtype=dtype, shape=shape)


def _header(path: Path, raw: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in _DTYPES or not raw[3]:
        found = f"the first bytes {raw[:4].hex(' ')}" if raw else "an empty file"
        raise DataError(f"{path} is not an IDX file: found {found}; expected 00 00, a type and a number of dimensions")
    offset = 4 + 4 * raw[3]
    if len(raw) < offset:
        raise DataError(f"{path} is not a whole IDX file: its header of {offset} bytes was cut short after {len(raw)}")
    shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
    return np.dtype(_DTYPES[raw[2]]), shape, offset


def _unpacked(path: Path, packed: IO[bytes], most_bytes: int | None) -> Spool:
    spool, total = Spool(str(path)), 0
    try:
        with gzip.open(packed) as stream:
            while block := stream.read(2**20):
                total += len(block)
                if most_bytes is not None and total > most_bytes:
                    raise _too_large(path, most_bytes)
                spool.file.write(block)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): restore the original file") from error
    spool.file.flush()
    return spool


def _too_large(path: Path, most_bytes: int) -> DataError:
    return DataError(f"{path} unpacks to more than {most_bytes} bytes: it is not the file that is expected")


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a file of images, or a folder that holds such files, with the labels beside it where there are any."""
    images = _chosen(path, request.part_of(_splits(path))) if path.is_dir() else path
    if not path.is_dir() and request.split is not None:
        raise DataError(f"{path} is one file: name its folder to choose the split {request.split!r}")
    beside = _labels_beside(images)
    labels = open_idx(beside) if beside else None
    name = inputs[0].name if inputs and len(inputs) == 1 else "images"
    notes = (f"labels are read from {beside.name}",) if beside else ()
    return ArrayDataset(
        images.name,
        {name: open_idx(images)},
        labels=None if labels is None else labels.take(range(labels.shape[0])),
        notes=notes,
    )


def _chosen(folder: Path, split: str | None) -> Path:
    found = _image_files(folder)
    if split is not None:
        starts = _SPLITS.get(split, (split,))
        found = [path for path in found if path.name.startswith(starts)]
    if len(found) != 1:
        names = ", ".join(path.name for path in _image_files(folder))
        problem = "several files of images" if len(found) > 1 else f"no file of images for the split {split!r}"
        raise DataError(f"{folder} holds {problem}; available: {names}; choose a split (train, test) or name the file")
    return found[0]


def _splits(folder: Path) -> list[str]:
    """The parts of which a folder has a file of images."""
    names = [path.name for path in _image_files(folder)]
    return [split for split, starts in _SPLITS.items() if any(name.startswith(starts) for name in names)]


def _image_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _IMAGES.search(path.name) and path.is_file())


def _labels_beside(images: Path) -> Path | None:
    stem = _IMAGES.sub(lambda found: f"labels{found[1]}idx1{found[2]}", images.name)
    if stem == images.name:
        return None
    bare = stem.removesuffix(".gz")
    found = (images.with_name(name) for name in (stem, bare, f"{bare}.gz"))
    return next((path for path in found if path.is_file()), None)


def _is_idx(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return bool(_image_files(path))
    if head.startswith(b"\x1f\x8b"):
        head = _first_bytes(path)
    return len(head) >= 8 and head[:2] == b"\0\0" and head[2] in _DTYPES and 0 < head[3] < 9


def _first_bytes(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read(8)
    except (OSError, EOFError, zlib.error):
        return b""


READER = Reader(name="IDX", suffixes=(".idx", ".gz"), recognizes=_is_idx, read=read)
