"""What a reader is: how it recognizes a file or folder, and how it opens one as a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossrt.core.tensor import TensorSpec
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.request import DataRequest

GROUP = "crossrt.dataset_readers"
"""Entry point group of readers in other packages; each entry point is a `Reader`."""
HEAD_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One format of data.

    Attributes:
        name: Of the format, such as `npz`.
        suffixes: Endings of file names, with the dot and in lower case; asked for when no reader knows the content.
        recognizes: Whether a path is of this format, from its first 64 bytes; those of a folder are empty.
        read: Opens it; raises DataError where it is damaged. `limit` and `labels` of the request are applied later.
    """

    name: str
    suffixes: tuple[str, ...]
    recognizes: Callable[[Path, bytes], bool]
    read: Callable[[Path, DataRequest, Sequence[TensorSpec] | None], Dataset]
