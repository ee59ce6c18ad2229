"""`.npz` archives keyed by the names of inputs, with `labels` reserved: the convention for data."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.classes import CLASSES, names_in
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.npy import read_header, request_without_split, stored_rows
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.rows import Spool
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset, Rows

LABELS = "labels"
_LARGEST_RATIO = 1032
"""No deflate stream unpacks to more than so many times its size."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens an archive: inputs, perhaps labels and names of classes; arrays without axes are shared by all samples."""
    request_without_split(path, request)
    members = open_npz(path)
    labels = members.pop(LABELS, None)
    names = members.pop(CLASSES) if names_classes(members, inputs) else None
    shared = {name: _whole(rows) for name, rows in members.items() if not rows.shape}
    arrays = {name: rows for name, rows in members.items() if rows.shape}
    return ArrayDataset(
        path.name,
        arrays,
        labels=None if labels is None else _whole(labels),
        shared=shared,
        classes=() if names is None else names_in(_whole(names), f"{path}: {CLASSES!r}"),
    )


def names_classes(members: Mapping[str, Rows], inputs: Sequence[TensorSpec] | None = None) -> bool:
    """Whether there is an array of class names: text that is not an input of the model."""
    is_input = any(spec.name == CLASSES for spec in inputs or ())
    return not is_input and CLASSES in members and members[CLASSES].dtype.kind == "U"


def open_npz(path: Path) -> dict[str, Rows]:
    """Rows of each array of an archive, by name.

    Raises:
        DataError: Not an archive of arrays, damaged, or larger than the disk when unpacked.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(path, members, os.fstat(file.fileno()).st_size)
            return {info.filename.removesuffix(".npy"): _rows(path, file, archive, info) for info in members}
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not an intact npz archive ({error}): write it again with numpy.savez") from error


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo], size_bytes: int) -> None:
    names = [info.filename for info in members]
    if len(set(names)) != len(names):
        raise DataError(
            f"{path} holds two arrays of one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
        )
    for info in members:
        if not info.filename.endswith(".npy"):
            raise DataError(f"{path} holds {info.filename!r}, which is not an array: write it with numpy.savez")
        if info.flag_bits & 1:
            raise DataError(f"{path}: {info.filename!r} is encrypted, which numpy.savez never does")
        if info.compress_size > size_bytes or info.file_size > _LARGEST_RATIO * info.compress_size + 1000:
            raise DataError(
                f"{path}: {info.filename!r} claims to unpack from {info.compress_size} to {info.file_size} bytes, which"
                " cannot be: the archive was altered"
            )
    unpacked = sum(info.file_size for info in members if info.compress_type != zipfile.ZIP_STORED)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if unpacked > free:
        raise DataError(
            f"{path} unpacks to {unpacked} bytes; only {free} are free in {tempfile.gettempdir()}: write it with"
            " numpy.savez, which does not compress, or set TMPDIR to a larger disk"
        )


def _rows(path: Path, file: IO[bytes], archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Rows:
    where = f"{path}: {info.filename.removesuffix('.npy')!r}"
    with archive.open(info) as member:
        header = read_header(member, where, info.file_size)
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size:
            return stored_rows(file, header, where=where, start=_data_start(path, file, info))
        spool = Spool(where)
        spool.file.write(b"\0" * header.offset)
        shutil.copyfileobj(member, spool.file, 2**20)
        spool.file.flush()
    return stored_rows(spool.file, header, where=where)


def _data_start(path: Path, file: IO[bytes], info: zipfile.ZipInfo) -> int:
    raw = os.pread(file.fileno(), _LOCAL_HEADER.size, info.header_offset)
    signature, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(raw)
    start: int = info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
    if signature != b"PK\x03\x04" or start + info.file_size > os.fstat(file.fileno()).st_size:
        raise DataError(f"{path}: {info.filename!r} was cut short: write the archive again with numpy.savez")
    return start


def _whole(rows: Rows) -> NDArray[Any]:
    """All of an array, which may have no axes."""
    if rows.shape:
        return rows.take(range(rows.shape[0]))
    return rows.take([0])[0, ...]


def _is_npz(path: Path, head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06")) and path.suffix.lower() in {".npz", ".zip", ""}


READER = Reader(name="npz", suffixes=(".npz",), recognizes=_is_npz, read=read)
