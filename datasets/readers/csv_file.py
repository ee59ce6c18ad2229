"""CSV files: columns become features; text has no dtype, so numbers become what the model takes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.readers.npy import request_without_split
from crossrt.datasets.readers.reader import Reader
from crossrt.datasets.readers.table import CHUNK_ROWS, Table, is_number
from crossrt.datasets.request import DataRequest


def read(path: Path, request: DataRequest, inputs: Sequence[TensorSpec] | None) -> Dataset:
    """Opens a file of comma-separated values (`.tsv`: tabs) whose first line names the columns."""
    request_without_split(path, request)
    lines = csv_lines(path)
    columns = next(lines, None)
    if columns is None:
        raise DataError(f"{path} is empty; expected a line that names the columns")
    if all(is_number(cell) for cell in columns):
        raise DataError(
            f"{path} starts with numbers ({', '.join(columns[:3])}, ...); expected a line that names the columns"
        )
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        raise DataError(
            f"{path} seems to be separated by {'tabs' if chr(9) in columns[0] else 'semicolons'}; use commas"
        )
    table, rows = Table(path, columns, inputs), 0
    while chunk := list(islice(lines, CHUNK_ROWS)):
        rows += len(chunk)
        table.append(dict(zip(columns, (np.array(column) for column in zip(*chunk, strict=True)), strict=True)))
    if not rows:
        raise DataError(f"{path} holds no samples: it has a line of column names and nothing below")
    return table.dataset()


def csv_lines(path: Path) -> Iterator[list[str]]:
    """The cells of each line that has any, stripped.

    Raises:
        DataError: Not text in UTF-8, or a line has more or fewer cells than the first.
    """
    width = None
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            for cells in reader:
                if not cells:
                    continue
                width = width or len(cells)
                if len(cells) != width:
                    raise DataError(f"{path}, line {reader.line_num}: {len(cells)} cells; expected {width}")
                yield [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8 ({error})") from error


READER = Reader(name="CSV", suffixes=(".csv", ".tsv"), recognizes=lambda _path, _head: False, read=read)
