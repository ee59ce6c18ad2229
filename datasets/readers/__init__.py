"""Readers of data: one module for each format, each with a `READER`, found by content and then by suffix.

A reader of another package is an entry point of the group `crossrt.dataset_readers`. Matching data and models is not
done in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crossrt.core.errors import DataError
from crossrt.core.owned import open_regular
from crossrt.core.plugins import load_plugin, registered
from crossrt.datasets.readers import csv_file, idx, images, npy, npz, onnx_sets, parquet
from crossrt.datasets.readers.reader import GROUP, HEAD_BYTES, Reader

BUNDLED: Final[tuple[Reader, ...]] = (
    npz.READER,
    npy.READER,
    parquet.READER,
    onnx_sets.READER,
    idx.READER,
    images.READER,
    csv_file.READER,
)


def readers() -> tuple[Reader, ...]:
    """Readers of bundled data sets, which know their files by name, those of single formats, then other packages'.

    Raises:
        PluginError: A reader of another package cannot be imported.
        DataError: A plug-in is something else.
    """
    own, foreign = _registered()
    return (*_loaded(own), *BUNDLED, *_loaded(foreign))


def is_foreign(path: Path) -> bool:
    """Whether readers of other packages have to be asked about a path: there are some, and no bundled one knows it."""
    own, foreign = _registered()
    return bool(foreign) and _by_content((*_loaded(own), *BUNDLED), path) is None


def _registered() -> tuple[list[str], list[str]]:
    """Names of this package's entry points, and of those of others."""
    points = registered(GROUP)
    own = [name for name, point in points.items() if point.value.startswith("crossrt.")]
    return own, [name for name in points if name not in own]


def _loaded(names: Sequence[str]) -> tuple[Reader, ...]:
    found = tuple(load_plugin(GROUP, name) for name in names)
    for each, name in zip(found, names, strict=True):
        if not isinstance(each, Reader):
            raise DataError(f"the plug-in {name!r} of {GROUP} is a {type(each).__name__}; expected a Reader")
    return found


def _by_content(known: Sequence[Reader], path: Path) -> Reader | None:
    head = b""
    if not path.is_dir():
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES)
    return next((each for each in known if _recognizes(each, path, head)), None)


def reader_of(path: Path) -> Reader:
    """The reader that knows the content of a file or folder, else the one for its suffix.

    Raises:
        DataError: None does.
    """
    own, foreign = _registered()
    known = (*_loaded(own), *BUNDLED)
    if (found := _by_content(known, path)) is not None:
        return found  # no other package is imported for it
    others = _loaded(foreign)
    known = (*known, *others)
    by_content = _by_content(others, path)
    found = by_content or next((each for each in known if path.suffix.lower() in each.suffixes), None)
    if found:
        return found
    names = ", ".join(f"{each.name} ({', '.join(each.suffixes)})" if each.suffixes else each.name for each in known)
    if not path.is_dir():
        raise DataError(f"{path} is not a data set of a known format; available: {names}")
    entries = sorted(each.name for each in path.iterdir())
    holds = f"holds {', '.join(entries[:3])}{', ...' if len(entries) > 3 else ''}" if entries else "is empty"
    raise DataError(
        f"the folder {path} {holds}; expected images in one folder for each class, ONNX's test_data_set_N, IDX files,"
        " or those of a bundled data set"
    )


def _recognizes(reader: Reader, path: Path, head: bytes) -> bool:
    """What a reader says; one of another package may fail in any way."""
    try:
        return reader.recognizes(path, head)
    except (DataError, OSError):
        raise
    except Exception as error:
        raise DataError(f"the reader {reader.name!r} failed on {path}: {type(error).__name__}: {error}") from error
