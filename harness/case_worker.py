"""One worker process from the parent's side: each step of a case as a method."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from exporters.artifact import ModelArtifact
from harness.case import Scenario
from harness.child import ChildProcess
from harness.errors import ChildFailedError
from harness.settings import WorkerLimits


class UnsupportedError(Exception):
    """The runtime cannot run this artifact in this scenario; the message is the reason of a skipped case."""


class CaseWorker:
    """Drives `harness.worker`. Every method raises `ChildFailedError` where the worker crashes, hangs or says no."""

    def __init__(self, threads: int, limits: WorkerLimits) -> None:
        self._timeout_s = limits.timeout_s
        self._child = ChildProcess("harness.worker", variables=thread_variables(threads))
        self._child.send({"memory_limit_bytes": limits.memory_limit_bytes})

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    def start_import(self, runtime: str) -> None:
        """Tells the worker to import its runtime, without waiting: many can start at once."""
        self._child.send({"do": "runtime", "name": runtime})

    def finish_import(self) -> Mapping[str, Any]:
        """Waits for the import: `version`, `formats` and `peak_bytes`."""
        self._child.receive(self._timeout_s)  # the greeting
        return self._checked(self._child.receive(self._timeout_s), "importing the runtime")

    def pin(self, cpus: Sequence[int]) -> None:
        """Confines the worker to these processors."""
        self._ask("pinning", do="pin", cpus=list(cpus))

    def load(self, artifact: ModelArtifact, scenario: Scenario) -> int:
        """Loads the model and returns how long that took, in nanoseconds.

        Raises:
            UnsupportedError: The runtime cannot run it.
        """
        options = dataclasses.asdict(scenario.session_options)
        fields = dataclasses.asdict(artifact) | {"path": str(artifact.path)}
        answer = self._ask("loading the model", do="load", artifact=fields, options=options)
        if "unsupported" in answer:
            raise UnsupportedError(answer["unsupported"])
        return int(answer["load_ns"])

    def feed(self, images: Path, batch_size: int, seed: int) -> None:
        """Makes ready the digits that are timed."""
        self._ask("reading the digits", do="feed", images=str(images), batch_size=batch_size, seed=seed)

    def first_run(self) -> int:
        """Duration of the first call, in nanoseconds."""
        return int(self._ask("the first inference", do="first_run")["first_run_ns"])

    def time(self, calls: int, warmup_ns: int) -> list[int]:
        """Warms up, then times single calls: nanoseconds each."""
        return list(self._ask("running", do="time", calls=calls, warmup_ns=warmup_ns)["latency_ns"])

    def evaluate(self, images: Path, batch_size: int, logits: Path) -> None:
        """Runs all images and leaves the logits in a `.npy` file."""
        self._ask("the accuracy run", do="evaluate", images=str(images), batch_size=batch_size, logits=str(logits))

    def operators(self) -> tuple[str, ...] | None:
        """What the runtime really executes, where it can tell."""
        found = self._ask("reading the operators", do="operators")["operators"]
        return None if found is None else tuple(found)

    def peak_memory_bytes(self) -> int:
        """The worker's high-water mark so far."""
        return int(self._ask("reading the memory", do="memory")["peak_bytes"])

    def failure(self, reason: str) -> ChildFailedError:
        """A failure of this worker that the parent found."""
        return self._child.failure(reason)

    def kill(self) -> None:
        """Ends the worker at once."""
        self._child.kill()

    def _ask(self, step: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._child.ask(request, self._timeout_s)
        except ChildFailedError as failure:
            raise ChildFailedError(f"{step}: {failure.reason}", failure.stderr_tail) from failure
        return self._checked(answer, step)

    def _checked(self, answer: dict[str, Any], step: str) -> dict[str, Any]:
        if "error" in answer:
            raise self._child.failure(f"{step}: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.__exit__(kind, error, trace)


def thread_variables(threads: int) -> dict[str, str]:
    """Environment of a worker: the same explicit thread counts for every library that reads a variable."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",  # numpy only prepares data
        "MKL_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
