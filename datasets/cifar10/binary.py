"""The original binary layout: a label byte and 3,072 pixel bytes for each image, in a folder or in the `.tar.gz`."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Final

import numpy as np

from crossrt.core.errors import DataError
from crossrt.core.owned import open_regular
from crossrt.datasets.cifar10.images import CHANNELS, COUNTS, SIDE, Images, Split, checked, joined

BATCHES: Final[dict[Split, tuple[str, ...]]] = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
RECORD: Final = 1 + SIDE * SIDE * CHANNELS
_MOST_BYTES: Final = RECORD * COUNTS["train"]
_MOST_MEMBERS: Final = 100


def read_binary(folder: Path, split: Split) -> Images:
    """All images of a split from a folder of the original binary files.

    Raises:
        DataError: A file is missing or damaged.
        OSError: A file cannot be read.
    """
    parts = []
    for name in BATCHES[split]:
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no {name}: the binary layout has {', '.join(BATCHES[split])}")
        with open_regular(folder / name) as file:
            parts.append(records(file.read(_MOST_BYTES + 1), where=str(folder / name)))
    return joined(parts)


def read_archive(path: Path, split: Split) -> Images:
    """All images of a split from `cifar-10-binary.tar.gz`, of which nothing is extracted.

    Raises:
        DataError: It is damaged, or lacks a file.
        OSError: It cannot be read.
    """
    wanted, found = set(BATCHES[split]), {}
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode="r|gz") as archive:
            for number, member in enumerate(archive):
                if number >= _MOST_MEMBERS or member.size > _MOST_BYTES:
                    raise DataError(f"{path} holds more than CIFAR-10's files: get cifar-10-binary.tar.gz again")
                name = Path(member.name).name
                if member.isfile() and name in wanted and (content := archive.extractfile(member)) is not None:
                    found[name] = records(content.read(), where=f"{path}: {name}")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError(f"{path} is not a whole .tar.gz ({error}): get it again") from error
    if missing := sorted(wanted - found.keys()):
        raise DataError(f"{path} has no {', '.join(missing)}: expected cifar-10-binary.tar.gz (the binary version)")
    return joined([found[name] for name in BATCHES[split]])


def records(content: bytes, *, where: str) -> Images:
    """The images of one binary file, whose pixels are in planes: red, green, blue, row by row.

    Raises:
        DataError: It is empty, cut short or too long, or a label is not 0 to 9.
    """
    if not content or len(content) % RECORD or len(content) > _MOST_BYTES:
        raise DataError(
            f"{where} holds {len(content):,} bytes; expected {RECORD:,} for each image, 10,000 images a file: get it"
            " again"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    planes = rows[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return checked(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), rows[:, 0], where=where)
