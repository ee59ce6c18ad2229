"""Runs a task of the user's or of a plug-in in a process of its own: `python -m crossrt.datasets.tasks.host`.

The first line on standard input says which; each further line is a request, answered by one line on standard output.
Outputs and labels are read from `.npy` files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.evaluation import Evaluation
from crossrt.core.events import EventStream, read_job
from crossrt.core.metric import MetricDefinition
from crossrt.core.parent import leaving_copies
from crossrt.core.user_code import line_of, prepare_process, take_stdin
from crossrt.datasets.tasks.choosing import make_task
from crossrt.datasets.tasks.protocol import KnowsChance, Task

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskJob:
    """Which task.

    Attributes:
        text: What the user named.
        memory_limit_bytes: Private memory of this process.
        sys_path: Where the starting process looks for modules.
    """

    text: str
    memory_limit_bytes: int
    sys_path: Sequence[str]


class Host:
    """Answers requests about one task, which is made when it is first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._task: Task | None = None

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What a request asks; whatever the code raises is an answer."""
        try:
            asked: Callable[..., dict[str, Any]] = getattr(self, f"_{request['ask']}")
            with leaving_copies():
                return asked(**request["of"])
        except CrossrtError as error:
            return {"error": str(error)}
        except BaseException as error:  # SystemExit and what test frameworks raise, too
            return {"error": f"task {self._text} failed: {type(error).__name__}: {error}{line_of(error)}"}

    def _choose(self, outputs: Files, labels: str | None) -> dict[str, Any]:
        task = self._task = make_task(self._text, _labels(labels), _arrays(outputs))
        metrics = tuple(task.metrics)
        if not metrics or not all(isinstance(each, MetricDefinition) for each in metrics):
            raise DataError(f"task {self._text}: `metrics` is {metrics!r:.200}; expected one MetricDefinition or more")
        return {"name": str(task.name), "metrics": msgspec.to_builtins(metrics)}

    def _check(self, outputs: Files, labels: str | None) -> dict[str, Any]:
        assert self._task is not None
        self._task.check(_arrays(outputs), _labels(labels))
        return {}

    def _evaluate(
        self, outputs: Files, labels: str | None, reference: Files | None, steps: Mapping[str, float]
    ) -> dict[str, Any]:
        assert self._task is not None
        expected = None if reference is None else _arrays(reference)
        found: object = self._task.evaluate(_arrays(outputs), _labels(labels), expected, steps)
        if not isinstance(found, Evaluation):
            raise DataError(f"task {self._text} returned {type(found).__name__}; an Evaluation is expected")
        return {"evaluation": msgspec.to_builtins(found)}

    def _chance(self, evaluation: Mapping[str, Any], labels: str) -> dict[str, Any]:
        if not isinstance(self._task, KnowsChance):
            return {"caution": None}
        known = _labels(labels)
        assert known is not None
        return {"caution": self._task.looks_like_chance(msgspec.convert(evaluation, Evaluation), known)}


def _arrays(files: Files) -> dict[str, NDArray[Any]]:
    """Arrays that the code may change: the files stay as they are."""
    return {name: np.load(path, mmap_mode="c", allow_pickle=False) for name, path in files.items()}


def _labels(path: str | None) -> NDArray[Any] | None:
    return None if path is None else np.load(path, allow_pickle=False)


def main() -> int:
    """Answers until standard input ends."""
    events = EventStream.take_stdout()
    job = read_job(sys.stdin, TaskJob)
    requests = os.fdopen(take_stdin(), encoding="utf-8")
    prepare_process(job.sys_path, job.memory_limit_bytes)
    host = Host(job.text)
    events.send("started")
    for line in requests:
        events.send("answered", **host.answer(json.loads(line)))
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of such code would keep the process
