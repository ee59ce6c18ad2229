"""Answers of a model to all samples, on disk: they may be larger than memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ReferenceAnswers
from crossrt.core.errors import ArtifactError, DataError
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.process.case_worker import CaseWorker

Outputs = Mapping[str, NDArray[Any]]

_PATIENCE = 5.0
"""An evaluation may take so many times as long as a trial of a few calls suggests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a case answered.

    Attributes:
        outputs: By name, each `(samples, ...)`, memory-mapped.
        problems: Why some outputs cannot be compared over samples.
        folder: Where they are.
    """

    outputs: Outputs
    problems: Mapping[str, str]
    folder: Path

    def drop(self) -> None:
        """Removes the files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def collect_answers(worker: CaseWorker, feeding: Feeding, data: RunData, batch_size: int, call_ns: int) -> Answers:
    """Answers all samples with a worker that has loaded its model.

    Raises:
        ChildFailedError: The model cannot answer.
        DataError: A sample cannot be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="answers-", dir=data.folder))
    joined: dict[str, NDArray[Any]] = {}
    problems: dict[str, str] = {}
    empty: set[str] = set()
    for number, rows in enumerate(data.chunks):
        part = Path(tempfile.mkdtemp(prefix="part-", dir=folder))
        timeout_s = _PATIENCE * (len(rows) // batch_size + 1) * call_ns / 1e9
        with data.chunk(number) as files:
            found = worker.evaluate(feeding.inputs(files), len(rows), batch_size, part, timeout_s)
        problems |= found.problems
        for place, name in enumerate(found.outputs):
            if name not in problems:
                values = np.load(part / f"{place}.npy")
                if _has_numbers(values):
                    empty.discard(name)
                elif not number:
                    empty.add(name)
                _add(joined, name, folder / f"{place}.npy", values, rows, data.samples, problems)
        shutil.rmtree(part, ignore_errors=True)
    if empty:
        raise worker.failure(
            f"answering the data set: the output {min(empty)} holds nothing but NaN or infinite values"
        )
    outputs = {name: array for name, array in joined.items() if name not in problems}
    return Answers(outputs=outputs, problems=problems, folder=folder)


def check_comparable(outputs: Outputs, problems: Mapping[str, str]) -> None:
    """Raises `DataError` where no output is left to compare, with the reasons in `problems`."""
    if not outputs:
        why = "; ".join(f"{name}: {problem}" for name, problem in problems.items()) or "there is none"
        raise DataError(f"no output can be compared over samples ({why})")


def _has_numbers(values: NDArray[Any]) -> bool:
    """Whether an output says anything: floats that are all NaN or infinite do not."""
    return values.dtype.kind != "f" or not values.size or bool(np.isfinite(values).any())


def _add(
    joined: dict[str, NDArray[Any]],
    name: str,
    path: Path,
    part: NDArray[Any],
    rows: range,
    samples: int,
    problems: dict[str, str],
) -> None:
    """Puts a chunk's output into the file of all samples."""
    if name not in joined:
        joined[name] = np.lib.format.open_memmap(path, mode="w+", dtype=part.dtype, shape=(samples, *part.shape[1:]))
    elif part.dtype.kind == "U" and part.dtype.itemsize > joined[name].dtype.itemsize:
        joined[name] = _widened(joined[name], part.dtype, path)
    whole = joined[name]
    if part.shape[1:] != whole.shape[1:]:
        problems[name] = f"its shape differs from sample to sample, such as {part.shape[1:]} and {whole.shape[1:]}"
        return
    whole[rows.start : rows.stop] = part


def _widened(whole: NDArray[Any], dtype: np.dtype[Any], path: Path) -> NDArray[Any]:
    """The same texts with room for longer ones."""
    texts = np.array(whole)
    wide: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=whole.shape)
    wide[:] = texts
    return wide


def read_reference(reference: ReferenceAnswers, samples: int) -> Outputs:
    """The answers of the model that artifacts were made from, to the first samples.

    Raises:
        ArtifactError: The file is damaged, holds fewer answers, or answers that say nothing.
    """
    try:
        with reference.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: archive[name][:samples] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError) as error:
        raise ArtifactError(f"{reference.path} cannot be read ({error}): run crossrt export again") from error
    for name, array in found.items():
        if len(array) < samples:
            raise ArtifactError(
                f"{reference.path} holds answers to {len(array)} of {samples} samples: run crossrt export again, or"
                f" answer no more with --samples {len(array)}"
            )
        if not _has_numbers(array):
            raise ArtifactError(
                f"{reference.path}: the source model's output {name} holds nothing but NaN or infinite values, so"
                " nothing can be compared with it"
            )
    return found
