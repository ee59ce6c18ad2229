"""Whether a model gives the same samples the same answers again; one that draws random numbers does not."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.harness.evaluate.answers import Outputs
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.messages import InputFile

SAMPLES: Final = 32
"""How many samples are answered again, or one call where that has more."""

LONGEST_NS: Final = 1_000_000_000
"""How long that may take of a slow model, where one call does not take longer."""

TOLERANCE: Final = 1e-4
"""Of a value, and of the largest one of an output: several threads may add floats in another order."""

When = Literal["the second time", "in a fresh process"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrepeated:
    """Answers that were not the same again.

    Attributes:
        changed: Samples that were answered differently.
        samples: Samples that were answered twice.
        when: Where they changed.
    """

    changed: int
    samples: int
    when: When

    def cause(self) -> str:
        """Why a file cannot agree with its reference."""
        return (
            f"it does not repeat its own answers: it answered {self.changed} of {self.samples} samples differently"
            f" {self.when}; it draws random numbers or keeps a state, such as a Dropout exported in training mode"
        )

    def caution(self, name: str) -> str:
        """What must be said of a reference, above everything that is compared with it."""
        return (
            f"the reference does not repeat its own answers: {name} answered {self.changed} of {self.samples} samples"
            f" differently {self.when}, so agreement, accuracy and errors are those of one of many possible answers"
        )


def answers_twice(
    worker: CaseWorker, feeding: Feeding, files: Mapping[str, Path], available: int, batch_size: int, folder: Path
) -> tuple[Outputs, Outputs]:
    """Answers the first samples two times in the session of a worker that has loaded its model and was fed.

    Args:
        worker: The worker.
        feeding: What its model takes of the data.
        files: The first samples.
        available: How many these are.
        batch_size: Samples per call. Only whole calls are made, where a last one that is filled up was not made before.
        folder: A scratch folder.

    Raises:
        ChildFailedError: The model cannot answer.
    """
    affordable = LONGEST_NS // max(worker.first_inference(), 1)
    calls = max(1, min(SAMPLES // batch_size, affordable))
    count, inputs = min(available, calls * batch_size), feeding.inputs(files)
    return _answers(worker, inputs, count, batch_size, folder), _answers(worker, inputs, count, batch_size, folder)


def _answers(worker: CaseWorker, inputs: Sequence[InputFile], count: int, batch_size: int, folder: Path) -> Outputs:
    part = Path(tempfile.mkdtemp(prefix="again-", dir=folder))
    found = worker.evaluate(inputs, count, batch_size, part)
    names = [(place, name) for place, name in enumerate(found.outputs) if name not in found.problems]
    outputs = {name: np.load(part / f"{place}.npy") for place, name in names}
    shutil.rmtree(part, ignore_errors=True)
    return outputs


def unrepeated(first: Outputs, again: Outputs, when: When) -> Unrepeated | None:
    """How many samples were answered differently again; None where all are the same.

    Args:
        first: Answers to some samples, from the first on.
        again: Answers to as many, or to fewer or more: those that both hold are compared.
        when: Where those were given.
    """
    common = [name for name in again if name in first]
    if not common:
        return None
    samples = min(len(outputs[name]) for name in common for outputs in (first, again))
    changed = np.zeros(samples, bool)
    for name in common:
        changed |= _changed(np.asarray(first[name][:samples]), np.asarray(again[name][:samples]))
    return Unrepeated(changed=int(changed.sum()), samples=samples, when=when) if changed.any() else None


def _changed(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which samples differ."""
    if one.shape != other.shape:
        return np.ones(len(one), bool)
    if not one.size:
        return np.zeros(len(one), bool)
    if one.dtype.kind == "f":
        one, other = one.astype(np.float64), other.astype(np.float64)
        largest = np.abs(one[np.isfinite(one)]).max(initial=0.0)
        differs = ~np.isclose(other, one, rtol=TOLERANCE, atol=TOLERANCE * largest, equal_nan=True)
    else:
        differs = one != other
    return np.asarray(differs.reshape(len(one), -1).any(axis=1), bool)
