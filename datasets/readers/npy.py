"""`.npy` files: one array; its header is checked before anything is read."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.rows import FileRows
from crossrt.datasets.request import DataRequest
from crossrt.datasets.samples import ArrayDataset, MemoryRows, Rows

MAGIC = np.lib.format.MAGIC_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header of an array says, and where its bytes start."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the array itself."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_header(file: IO[bytes], where: str, size_bytes: int) -> Header:
    """Reads a header and checks that it goes with the size of the file.

    Raises:
        DataError: Not an array in numpy's format, of Python objects, or not as long as promised.
    """
    try:
        version = np.lib.format.read_magic(file)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"version {version[0]}.{version[1]} of the format")
        shape, fortran_order, dtype = readers[version](file)
    except Exception as error:  # numpy raises whatever a damaged header happens to hit
        raise DataError(f"{where} is not an array in numpy's format ({error}): write it with numpy.save") from error
    if dtype.hasobject:
        raise DataError(
            f"{where} is an array of Python objects (a pickle), which could run code: it is not read; save numbers"
            " instead, such as `numpy.stack(list).astype(...)`"
        )
    if min(shape, default=0) < 0:
        raise DataError(f"{where} has a negative size in its shape {shape}: it was altered")
    header = Header(dtype=dtype, shape=shape, fortran_order=fortran_order, offset=file.tell())
    if header.offset + header.size_bytes != size_bytes:
        raise DataError(
            f"{where} promises {header.size_bytes} bytes ({dtype} {shape}) and holds {size_bytes - header.offset}: it"
            " was cut short or altered"
        )
    return header


def stored_rows(file: IO[bytes], header: Header, *, where: str, start: int = 0) -> Rows:
    """Rows of an array that lies in a file as it is, from byte `start` on; its header counts from there."""
    offset = start + header.offset
    if header.fortran_order and len(header.shape) > 1 and header.size_bytes:
        mapped: NDArray[Any] = np.memmap(file, header.dtype, "r", offset, header.shape, "F")
        return MemoryRows(mapped)
    return FileRows(file, where=where, offset=offset, dtype=header.dtype, shape=header.shape)


def open_npy(path: Path) -> Rows:
    """The rows of a `.npy` file.

    Raises:
        DataError: It cannot be read as an array with an axis for samples.
    """
    with path.open("rb") as file:
        header = read_header(file, str(path), os.fstat(file.fileno()).st_size)
        if not header.shape:
            raise DataError(f"{path} holds a single value; expected an array whose first axis counts samples")
        return stored_rows(file, header, where=str(path))


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a `.npy` file: the samples of a model's only input, whatever its name."""
    request_without_split(path, request)
    name = inputs[0].name if inputs and len(inputs) == 1 else path.stem
    return ArrayDataset(path.name, {name: open_npy(path)})


def request_without_split(path: Path, request: DataRequest) -> None:
    """Refuses a split of a file that has none.

    Raises:
        DataError: A split was asked for.
    """
    if request.split is not None:
        raise DataError(f"{path} has no splits: leave out the split {request.split!r}, or name the file of that part")


READER = Reader(name="npy", suffixes=(".npy",), recognizes=lambda _path, head: head.startswith(MAGIC), read=read)
