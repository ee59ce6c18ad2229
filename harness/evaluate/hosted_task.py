"""A task that is not crossrt's own, run in a process of its own over files of outputs and labels.

A hang or a crash is an error of the answers that were scored; the next ones are scored by a fresh process.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.core.user_code import host_fields, more_time, time_limit_s
from crossrt.datasets.tasks.array_files import ArrayFiles
from crossrt.datasets.tasks.choosing import ChosenTask, check_task_name, choose_task, is_foreign_task
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.harness.errors import NoAnswerError
from crossrt.harness.process.user_code import START_S, UserCodeProcess, keep_with, one_message

MODULE: Final = "crossrt.datasets.tasks.host"
MOST_HANGS: Final = 2
"""After so many the task is not asked again: each costs the whole time limit."""


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
        self._files = ArrayFiles(folder)
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
        with one_message(f"task {self._text}", START_S, DataError):
            process.send({"text": self._text, **host_fields()})
            process.receive(START_S)
        answer = self._answer(process, "choose", self._first)
        self._name = str(answer["name"])
        self._metrics = msgspec.convert(answer["metrics"], tuple[MetricDefinition, ...])
        return process

    def _answer(self, process: UserCodeProcess, what: str, of: Mapping[str, Any]) -> Mapping[str, Any]:
        with one_message(f"task {self._text}", self._limit_s, DataError):
            try:
                answer = process.ask({"ask": what, "of": of}, self._limit_s)
            except NoAnswerError:
                self._hangs += 1
                raise
        if "error" in answer:
            raise DataError(str(answer["error"]))
        return answer
