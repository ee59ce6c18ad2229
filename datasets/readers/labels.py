"""Labels in a file of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.owned import irregular
from crossrt.datasets.classes import CLASSES, names_in
from crossrt.datasets.readers.csv_file import csv_lines
from crossrt.datasets.readers.idx import open_idx
from crossrt.datasets.readers.npy import open_npy
from crossrt.datasets.readers.npz import LABELS, names_classes, open_npz
from crossrt.datasets.readers.table import LABEL_COLUMNS, is_number, numbers_or_names
from crossrt.datasets.samples import Rows


def read_labels(path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Labels from `.npy`, `.npz` (its array `labels`, or its only one), `.csv`, `.txt` (one a line) or IDX.

    Names of classes come with them where an `.npz` has an array `classes`.

    Raises:
        DataError: The file is missing, of another kind, or does not hold one label for each sample.
    """
    if (kind := irregular(path)) is not None:
        raise DataError(f"the label file {path} is {kind}")
    if not path.is_file():
        raise DataError(f"the label file {path} does not exist")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _all(open_npy(path)), ()
    if suffix == ".npz":
        return _from_archive(path)
    if suffix in {".csv", ".tsv", ".txt"}:
        return _column(path), ()
    if "idx" in path.name:
        return _all(open_idx(path)), ()
    raise DataError(f"{path} is not a file of labels: expected .npy, .npz, .csv, .txt or IDX")


def _all(rows: Rows) -> NDArray[Any]:
    return rows.take(range(rows.shape[0]))


def _from_archive(path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    members = open_npz(path)
    names = members.pop(CLASSES) if names_classes(members) else None
    classes = () if names is None else names_in(_all(names), f"{path}: {CLASSES!r}")
    return _all(_member(path, members)), classes


def _member(path: Path, members: Mapping[str, Rows]) -> Rows:
    name = LABELS if LABELS in members else next(iter(members), "")
    if not members or (LABELS not in members and len(members) > 1) or not members[name].shape:
        raise DataError(
            f"{path} has no array {LABELS!r} with one label for each sample; available: {', '.join(members)}"
        )
    return members[name]


def _column(path: Path) -> NDArray[Any]:
    lines = list(csv_lines(path))
    if not lines:
        raise DataError(f"{path} holds no labels")
    header = lines.pop(0) if _is_header(lines) else []
    chosen = [number for number, cell in enumerate(header) if cell.lower() in LABEL_COLUMNS]
    width = len(lines[0]) if lines else 1
    if len(chosen) != 1 and width != 1:
        raise DataError(f"{path} has {width} columns; expected one, or one that is called {' or '.join(LABEL_COLUMNS)}")
    column = chosen[0] if len(chosen) == 1 else 0
    return numbers_or_names(np.array([line[column] for line in lines], dtype=np.str_), f"{path}: labels")


def _is_header(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names columns; of a single column of text only if it is called as one of labels."""
    if all(is_number(cell) for cell in lines[0]):
        return False
    is_lone_text = len(lines[0]) == 1 and not any(is_number(line[0]) for line in lines)
    return not is_lone_text or lines[0][0].lower() in LABEL_COLUMNS
