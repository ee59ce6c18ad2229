"""Parquet files: columns become features, lists of one length arrays of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.install import install_command
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.npy import request_without_split
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.table import CHUNK_ROWS, Table
from crossrt.datasets.request import DataRequest


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a Parquet file, batch by batch."""
    request_without_split(path, request)
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise DataError(f"{path} is read with pyarrow, which is not installed: {install_command('pyarrow')}") from error
    try:
        with parquet.ParquetFile(path) as file:
            return _read(path, file, inputs)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({error})") from error


def _read(path: Path, file: Any, inputs: Sequence[TensorSpec] | None) -> Dataset:
    from pyarrow import types

    schema, rows = file.schema_arrow, 0
    wide = frozenset(
        field.name for field in schema if types.is_list(field.type) or types.is_fixed_size_list(field.type)
    )
    table = Table(path, list(schema.names), inputs, wide)
    for batch in file.iter_batches(batch_size=CHUNK_ROWS):
        rows += len(batch)
        chunk = {name: _array(path, name, batch.column(name), name in wide) for name in schema.names}
        table.append(chunk)
    if not rows:
        raise DataError(f"{path} holds no samples: it has no rows")
    return table.dataset()


def _array(path: Path, name: str, column: Any, is_wide: bool) -> NDArray[Any]:
    if column.null_count:
        raise DataError(f"{path}: column {name!r} has {column.null_count} missing value(s); fill or drop them")
    if not is_wide:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    inner = column.flatten()
    if inner.null_count or len(inner) % max(1, len(column)):
        raise DataError(f"{path}: the lists of column {name!r} hold missing values or differ in length")
    lengths = {len(each) for each in column}
    if len(lengths) > 1:
        raise DataError(f"{path}: the lists of column {name!r} differ in length: {min(lengths)} to {max(lengths)}")
    return np.asarray(inner.to_numpy(zero_copy_only=False)).reshape(len(column), -1)


READER = Reader(
    name="Parquet", suffixes=(".parquet", ".pq"), recognizes=lambda _path, head: head.startswith(b"PAR1"), read=read
)
