"""Checkpoints: a folder for an epoch, which appears whole or not at all; numbers in npz and JSON, never code."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from crossrt.core.artifact import sha256_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.jobs import Epoch, QatJob, Score

VARIABLES: Final = "variables.npz"
STATE: Final = "state.json"
_NAME: Final = re.compile(r"epoch-(\d{4,})")
_MOST_BYTES: Final = 64 * 2**20

MODEL: Final = "model-"
"""What the names of a model's variables begin with."""

Arrays = Mapping[str, NDArray[Any]]


def restore(variables: Mapping[str, Any], values: Arrays, place: str | Path) -> None:
    """Gives variables their values in a checkpoint.

    Raises:
        ExportError: They are those of another network.
    """
    if {name: tuple(each.shape) for name, each in variables.items()} != {
        name: each.shape for name, each in values.items()
    }:
        raise ExportError(f"the checkpoint in {place} holds other variables than this model: choose another --out")
    for name, each in variables.items():
        each.assign(values[name])


def named_variables(model: Any) -> dict[str, Any]:
    """Those of a model, by their names in a checkpoint."""
    return {f"{MODEL}{number:04}": each for number, each in enumerate(model.variables)}


class Settings(Struct, frozen=True, kw_only=True):
    """What a training must share with the one that it goes on with, so that the result is the same."""

    model: str
    data: str
    validation: str | None
    validation_share: float
    epochs: int
    learning_rate: float
    batch_size: int
    weight_bits: int
    patience: int | None
    seed: int
    task: str
    ranges: str = "moving-average"
    optimizer: str = "adam"
    backend: str = "tensorflow"

    @classmethod
    def of(cls, job: QatJob, data: str, validation: str | None, task: str) -> Settings:
        """Those of a job, with the fingerprints of its data."""
        return cls(
            model=job.source_sha256,
            data=data,
            validation=validation,
            validation_share=job.validation_share if validation is None else 0.0,
            epochs=job.epochs,
            learning_rate=job.learning_rate,
            batch_size=job.batch_size,
            weight_bits=job.bits,
            patience=job.patience,
            seed=job.seed,
            task=task,
            ranges=job.ranges,
            optimizer=job.optimizer,
            backend=job.backend,
        )


class State(Struct, frozen=True, kw_only=True):
    """Where a training stands after an epoch.

    Attributes:
        settings: Of the training.
        float_score: The source model on the validation samples, or None.
        epochs: The curves so far.
        best: The best epoch so far.
        sha256: Hash of the file of variables.
    """

    settings: Settings
    float_score: Score | None
    epochs: tuple[Epoch, ...]
    best: int
    sha256: str = ""


class AnyState(Protocol):
    """What the state of any training has; it is a `Struct` with the fields of `State` of these names."""

    @property
    def settings(self) -> Struct:
        """What it must share with the training that goes on with it; `model` is one of the fields."""

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """The curves so far."""

    @property
    def best(self) -> int:
        """The best epoch so far."""

    @property
    def sha256(self) -> str:
        """Hash of the file of variables."""


S = TypeVar("S", bound=AnyState)


class CheckpointFolder(Generic[S]):
    """The checkpoints of one training: the last and the best are kept.

    Args:
        folder: Where they lie.
        kind: The type of the state that goes with the variables.
    """

    def __init__(self, folder: Path, kind: type[S]) -> None:
        self._folder, self._kind = folder, kind

    def save(self, state: S, variables: Arrays) -> None:
        """Writes the checkpoint of the last epoch of a state.

        Raises:
            ExportError: It cannot be written; those before it are as they were.
        """
        number = state.epochs[-1].epoch
        target = self._place(number)
        half_written = target.with_name(f".{target.name}.partial")
        try:
            shutil.rmtree(half_written, ignore_errors=True)
            half_written.mkdir(parents=True)
            np.savez(half_written / VARIABLES, **variables)  # type: ignore[arg-type]
            known = msgspec.structs.replace(
                state,  # type: ignore[type-var]
                sha256=sha256_of(half_written / VARIABLES),
            )
            (half_written / STATE).write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=2))
            shutil.rmtree(target, ignore_errors=True)
            half_written.rename(target)
        except OSError as error:
            shutil.rmtree(half_written, ignore_errors=True)
            raise ExportError(
                f"the checkpoint of epoch {number} cannot be written to {self._folder} ({error.strerror or error}):"
                " earlier ones are as they were; make room and go on with --resume"
            ) from error
        for each in self._numbers():
            if each not in (number, state.best):
                shutil.rmtree(self._place(each), ignore_errors=True)

    def latest(self, settings: Struct) -> tuple[S, Arrays]:
        """The last checkpoint.

        Raises:
            ExportError: There is none, it is damaged, or it belongs to another training.
        """
        numbers = self._numbers()
        if not numbers:
            raise ExportError(f"{self._folder} holds no checkpoint to go on with: leave out --resume")
        state, variables = self.load(numbers[-1])
        found, asked = msgspec.to_builtins(state.settings), msgspec.to_builtins(settings)
        if found["model"] != asked["model"]:
            raise ExportError(f"the checkpoint in {self._folder} is that of another model: choose another --out")
        if found["backend"] != asked["backend"]:
            raise ExportError(
                f"the checkpoint in {self._folder} was made with Keras on {found['backend']}, and this is"
                f" {asked['backend']}, which adds in another order: set KERAS_BACKEND={found['backend']} to go on, or"
                " start again with another --out"
            )
        if different := [name for name in asked if found[name] != asked[name]]:
            told = ", ".join(f"{name.replace('_', ' ')} {_told(found[name])}" for name in different)
            raise ExportError(
                f"the checkpoint in {self._folder} was made with {told}: --resume goes on with the same settings alone,"
                " as the learning rate falls over all epochs; for other settings start again with another --out"
            )
        return state, variables

    def load(self, number: int) -> tuple[S, Arrays]:
        """The checkpoint of an epoch.

        Raises:
            ExportError: It is damaged.
        """
        place = self._place(number)
        try:
            if (place / STATE).stat().st_size > _MOST_BYTES:
                raise ValueError("the state is larger than any training's")
            state = msgspec.json.decode((place / STATE).read_bytes(), type=self._kind)
            if sha256_of(place / VARIABLES) != state.sha256:
                raise ValueError("its variables are not those that it describes")
            with np.load(place / VARIABLES, allow_pickle=False) as archive:
                return state, {name: archive[name] for name in archive.files}
        except (OSError, ValueError, msgspec.MsgspecError, zipfile.BadZipFile, EOFError) as error:
            raise ExportError(f"the checkpoint {place} is damaged ({error}): {self._without(number)}") from error

    def _without(self, number: int) -> str:
        """What is possible without the checkpoint of an epoch."""
        before = [each for each in self._numbers() if each < number]
        if before:
            return f"delete that folder, and --resume goes on with {self._place(before[-1]).name}"
        return f"there is none before it: delete {self._folder} and start again without --resume"

    def has_any(self) -> bool:
        """Whether a training has left something here."""
        return bool(self._numbers())

    def _numbers(self) -> Sequence[int]:
        found = [_NAME.fullmatch(each.name) for each in self._folder.glob("epoch-*")] if self._folder.is_dir() else []
        return sorted(int(each[1]) for each in found if each)

    def _place(self, number: int) -> Path:
        return self._folder / f"epoch-{number:04}"


class Checkpoints(CheckpointFolder[State]):
    """Those of a quantization-aware training."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, State)


def _told(value: object) -> str:
    return f"{value[:8]}..." if isinstance(value, str) and len(value) == 64 else str(value)
