"""A task that is not crossrt's own, run in a process of its own over files of outputs and labels.

A hang or a crash is an error of the answers that were scored; the next ones are scored by a fresh process.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.core.user_code import more_time
from crossrt.datasets.tasks.choosing import ChosenTask, check_task_name, choose_task, is_foreign_task
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.harness.errors import ChildFailedError, NoAnswerError
from crossrt.harness.process.user_code import (
    START_S,
    UserCodeProcess,
    keep_with,
    memory_limit_bytes,
    time_limit_s,
)

MODULE: Final = "crossrt.datasets.tasks.host"
MOST_HANGS: Final = 2
"""After so many the task is not asked again: each costs the whole time limit."""


MOST_LOOSE_FILES: Final = 16


def chosen_task(text: str | None, labels: NDArray[Any] | None, outputs: Outputs, folder: Path) -> ChosenTask:
    """The task of `choose_task`; one that is not crossrt's own runs in a process of its own.

    Args:
        text: What the user named, or None to infer it.
        labels: Those of the data set.
        outputs: The reference's outputs.
        folder: The scratch folder of the run.

    Raises:
        PluginError: A name is unknown.
        DataError: See `choose_task`; or the code ends its process, or takes longer than it may.
    """
    if text is None or not is_foreign_task(text):
        return choose_task(text, labels, outputs)
    check_task_name(text)
    return ChosenTask(task=HostedTask(text.strip(), labels, outputs, folder))


class HostedTask:
    """Scores answers by asking a process. Several threads may ask; they are served one at a time."""

    def __init__(self, text: str, labels: NDArray[Any] | None, outputs: Outputs, folder: Path) -> None:
        self._text, self._folder = text, folder
        self._files = _Files(folder)
        self._lock = RLock()
        self._process: UserCodeProcess | None = None
        self._hangs = 0
        self._limit_s = time_limit_s()
        self._first = {"outputs": self._files.of(outputs, stays=True), "labels": self._files.of_labels(labels)}
        self._started()
        self.name: str = self._name
        self.metrics: tuple[MetricDefinition, ...] = self._metrics

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks at the reference's outputs and at the labels; see the protocol."""
        with self._lock, self._files:
            self._ask("check", outputs=self._files.of(outputs), labels=self._files.of_labels(labels))

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Scores answers; see the protocol."""
        with self._lock, self._files:
            answer = self._ask(
                "evaluate",
                outputs=self._files.of(outputs),
                labels=self._files.of_labels(labels),
                reference=None if reference is None else self._files.of(reference),
                steps={name: float(step) for name, step in steps.items()},
            )
        try:
            return msgspec.convert(answer["evaluation"], Evaluation)
        except msgspec.ValidationError as error:
            raise DataError(f"task {self._text} returned an Evaluation that cannot be kept: {error}") from error

    def looks_like_chance(self, evaluation: Evaluation, labels: NDArray[Any]) -> str | None:
        """What the task says of the reference's answers; None where it cannot tell."""
        with self._lock, self._files:
            scored = msgspec.to_builtins(evaluation)
            answer = self._ask("chance", evaluation=scored, labels=self._files.of_labels(labels))
        return None if answer["caution"] is None else str(answer["caution"])

    def _ask(self, what: str, **of: Any) -> Mapping[str, Any]:
        process = self._process
        if process is None or process.has_ended:
            process = self._started()
        return self._answer(process, what, of)

    def _started(self) -> UserCodeProcess:
        """A process that has made the task."""
        if self._hangs >= MOST_HANGS:
            raise DataError(f"task {self._text} is not asked again: it hung {self._hangs} times; {more_time()}")
        process = self._process = UserCodeProcess(MODULE, self._text)
        keep_with(self._folder, process)
        process.send({"text": self._text, "memory_limit_bytes": memory_limit_bytes(), "sys_path": sys.path})
        try:
            process.receive(START_S)
        except ChildFailedError as failure:
            raise DataError(f"no process for task {self._text}: {failure.reason}") from failure
        answer = self._answer(process, "choose", self._first)
        self._name = str(answer["name"])
        self._metrics = msgspec.convert(answer["metrics"], tuple[MetricDefinition, ...])
        return process

    def _answer(self, process: UserCodeProcess, what: str, of: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            answer = process.ask({"ask": what, "of": of}, self._limit_s)
        except NoAnswerError as failure:
            self._hangs += 1
            raise DataError(
                f"task {self._text} gave no values within {self._limit_s:g} s, so it was stopped; {more_time()}"
            ) from failure
        except ChildFailedError as failure:
            process.finish_printing()
            raise DataError(f"task {self._text} could not be run to its end: {failure.reason}") from failure
        if "error" in answer:
            raise DataError(str(answer["error"]))
        return answer


class _Files:
    """Arrays as files: memory maps are files already, others are written once. It is entered around a request.

    Files of arrays that were not asked for in the last few requests are removed again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="scored-", dir=folder))
        self._written: dict[object, tuple[NDArray[Any], Path]] = {}
        self._staying: set[object] = set()
        self._numbers = count()

    def of(self, arrays: Outputs, *, stays: bool = False) -> dict[str, str]:
        """A file for each output."""
        return {name: self._file(array, stays=stays) for name, array in arrays.items()}

    def of_labels(self, labels: NDArray[Any] | None) -> str | None:
        """The file of the labels."""
        return None if labels is None else self._file(labels, stays=True)

    def _file(self, array: NDArray[Any], *, stays: bool) -> str:
        if _is_whole_file(array):
            return str(array.filename)  # type: ignore[attr-defined]
        key = (array.__array_interface__["data"], array.shape, array.strides, array.dtype.str)
        if stays:
            self._staying.add(key)
        if (known := self._written.pop(key, None)) is None:
            known = array, self._folder / f"{next(self._numbers)}.npy"  # holding the array keeps its address its own
            np.save(known[1], array, allow_pickle=False)
        self._written[key] = known
        return str(known[1])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        loose = [key for key in self._written if key not in self._staying]
        for key in loose[:-MOST_LOOSE_FILES]:
            self._written.pop(key)[1].unlink(missing_ok=True)


def _is_whole_file(array: NDArray[Any]) -> bool:
    """Whether a memory map is all of an `.npy` file, not a part of it."""
    if not isinstance(array, np.memmap) or array.filename is None:
        return False
    path = Path(array.filename)
    if path.suffix != ".npy" or array.offset + array.nbytes != path.stat().st_size:
        return False
    whole = np.load(path, mmap_mode="r", allow_pickle=False)
    return whole.shape == array.shape and whole.dtype == array.dtype and array.flags.c_contiguous
