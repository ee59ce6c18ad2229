"""The data of a run in the form that workers read: files of some samples each, made when they are needed."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.parts import place_of
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.harness.errors import HarnessError

CHUNK_BYTES = 64 * 2**20
KEPT_BYTES = 2**30
"""Files of a data set that is smaller than this stay until the run ends; of a larger one only the first."""


class RunData:
    """Samples of a data set, in chunks of some 64 MB. Several threads may ask for chunks at once."""

    def __init__(self, dataset: Dataset, folder: Path, samples: int | None) -> None:
        """Files go into `folder`; only the first `samples` are used."""
        self.dataset = dataset
        self.samples = min(len(dataset), samples) if samples else len(dataset)
        self.folder = folder
        self.sample_bytes = max(1, sum(map(bytes_of, dataset.inputs.values())))
        self._size = max(1, min(self.samples, CHUNK_BYTES // self.sample_bytes))
        self._users: Counter[int] = Counter()
        self._lock, self._making = Lock(), RLock()
        self._infinite: dict[str, int | None] = {}

    @property
    def labels(self) -> NDArray[Any] | None:
        """Labels of the samples that are used."""
        return None if self.dataset.labels is None else self.dataset.labels[: self.samples]

    def part(self, samples: int) -> RunData:
        """The first samples alone, in a folder of their own where they are not all."""
        if samples >= self.samples:
            return self
        return RunData(self.dataset, Path(tempfile.mkdtemp(prefix="first-", dir=self.folder)), samples)

    def limited(self, samples: int) -> RunData:
        """Uses only the first samples from now on."""
        self.samples = min(self.samples, samples)
        return self

    @property
    def warnings(self) -> list[str]:
        """Inputs that hold infinity, as far as samples were read: some models take it as a mask, others break on it."""
        return [
            f"{self.dataset.name}: the input {name!r} holds infinity{_where(place)}: answers to such samples may say"
            " nothing; put numbers in its place, or leave them out"
            for name, place in self._infinite.items()
        ]

    @property
    def _keeps(self) -> bool:
        return self.samples * self.sample_bytes <= KEPT_BYTES

    @property
    def chunks(self) -> list[range]:
        """Numbers of the samples of each chunk."""
        return [range(start, min(start + self._size, self.samples)) for start in range(0, self.samples, self._size)]

    @contextmanager
    def chunk(self, number: int) -> Iterator[Mapping[str, Path]]:
        """One file for each array, `(samples of the chunk, ...)`; shared arrays as they are.

        Raises:
            DataError: A sample cannot be read, or holds NaN.
            HarnessError: There is no room for the files.
        """
        with self._lock:
            self._users[number] += 1
        try:
            with self._making:  # one thread reads the data set at a time
                yielded = self._made(number)
            yield yielded
        finally:
            with self._lock:
                self._users[number] -= 1
                if not self._users[number] and not self._keeps and number:
                    for path in self._paths(number).values():
                        path.unlink(missing_ok=True)

    def first(self) -> Mapping[str, Path]:
        """The first chunk, which stays until the run ends: what is timed is drawn from it."""
        with self.chunk(0) as files:
            return files

    def _made(self, number: int) -> Mapping[str, Path]:
        paths = self._paths(number)
        if all(path.exists() for path in paths.values()):
            return paths
        arrays: Arrays = self.dataset.feeds(self.chunks[number])
        self._check_finite(arrays, self.chunks[number].start)
        try:
            for name, path in paths.items():
                _save(arrays[name], path)
        except OSError as error:
            raise HarnessError(
                f"{self.folder} has no room for the samples ({error.strerror or error}): set TMPDIR to another folder"
            ) from error
        return paths

    def _check_finite(self, arrays: Arrays, start: int) -> None:
        """Answers to NaN say nothing, and would be compared as if they did; infinity is kept in mind."""
        for name, array in arrays.items():
            if array.dtype.kind != "f" or np.isfinite(array).all():
                continue
            if (missing := np.isnan(array)).any():
                raise DataError(
                    f"{self.dataset.name}: the input {name!r} holds NaN{_where(self._place(name, missing, start))}:"
                    " put numbers in its place, or leave such samples out"
                )
            place, known = self._place(name, np.isinf(array), start), self._infinite.get(name)
            self._infinite[name] = place if known is None or place is None else min(known, place)

    def _place(self, name: str, found: NDArray[np.bool_], start: int) -> int | None:
        """The first sample that has it; None for what all samples share."""
        return None if name in self.dataset.shared else place_of(self.dataset, start + int(np.argwhere(found)[0][0]))

    def _paths(self, number: int) -> dict[str, Path]:
        return {name: self.folder / f"samples-{number}-{place}.npy" for place, name in enumerate(self.dataset.inputs)}


def _where(place: int | None) -> str:
    return "" if place is None else f", first in sample {place}"


def _save(array: NDArray[Any], path: Path) -> None:
    """Writes beside and renames, so that a file that exists is whole."""
    half_written = path.with_suffix(".part.npy")
    np.save(half_written, array.astype(str) if array.dtype == object else array, allow_pickle=False)
    half_written.replace(path)


def bytes_of(spec: TensorSpec) -> int:
    """Size of an array, or of the smallest where the spec leaves dimensions open."""
    width = 64 if spec.dtype == "str" else np.dtype(spec.dtype).itemsize
    return width * math.prod(size if isinstance(size, int) else 1 for size in spec.shape)
