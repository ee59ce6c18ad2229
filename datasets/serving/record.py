"""What a serving process leaves in its folder, so that any process can read its data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from crossrt.core.errors import DataError
from crossrt.core.tensor import Dimension, TensorSpec

RECORD: Final = "served.json"
SOCKET: Final = "socket"
ENDED: Final = "ended.txt"
"""Why the process is gone, in a sentence; written by whoever notices first."""
LABELS: Final = "labels.npy"


class ServedInput(Struct, frozen=True, kw_only=True):
    """One array of the data set: the fields of its spec, and whether all samples share it."""

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    is_shared: bool

    @property
    def spec(self) -> TensorSpec:
        """As a data set has it."""
        return TensorSpec(name=self.name, dtype=self.dtype, shape=self.shape)


class Served(Struct, frozen=True, kw_only=True):
    """A data set that a process serves.

    Attributes:
        reference: What the user called it.
        name: Its name.
        samples: Their number.
        inputs: Its arrays; in files `<number>.npy` where they all are in files.
        is_in_files: Whether the arrays are in files; else samples are asked for.
        has_fingerprint: Whether it has a fingerprint of its own, to be asked for; else it follows from the samples.
        has_labels: Whether there is a file of labels.
        expected_outputs: Names of what its makers say a model answers, in files `expected-<number>.npy`.
        classes: Names of the classes, in order.
        notes: What a reader must know.
        pid: The process, which leads a group.
        timeout_s: How long a call may take.
    """

    reference: str
    name: str
    samples: int
    inputs: tuple[ServedInput, ...]
    is_in_files: bool
    has_fingerprint: bool
    has_labels: bool
    expected_outputs: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    pid: int
    timeout_s: float


def served_inputs(inputs: Mapping[str, TensorSpec], shared: frozenset[str]) -> tuple[ServedInput, ...]:
    """The arrays of a data set, in order."""
    fields = ("name", "dtype", "shape")
    found = [{key: value for key, value in asdict(spec).items() if key in fields} for spec in inputs.values()]
    return tuple(
        ServedInput(**{**each, "name": name}, is_shared=name in shared)
        for name, each in zip(inputs, found, strict=True)
    )


def write_record(served: Served, folder: Path) -> None:
    """Leaves it for other processes."""
    (folder / RECORD).write_bytes(msgspec.json.encode(served))


def read_record(folder: Path) -> Served:
    """What is served in a folder.

    Raises:
        DataError: Nothing is: the process that served it is gone, and its files with it.
    """
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Served)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"the samples that code gave are not in {folder} any more: {error}") from error


def say_ended(folder: Path, why: str) -> str:
    """Leaves a word on why the process is gone, and returns what was said of it first."""
    try:
        with (folder / ENDED).open("x", encoding="utf-8") as file:
            file.write(why)
    except FileExistsError:
        return (folder / ENDED).read_text(encoding="utf-8") or why
    except OSError:  # the folder is being removed
        pass
    return why
