"""One worker process from the parent's side: each step of a case as a method."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.errors import ChildFailedError, NotInstalledError
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.foreign_python import ForeignPython
from crossrt.runtimes.errors import RuntimeNotInstalledError
from crossrt.runtimes.kernels import Profile

MODULE = "crossrt.harness.process.worker"

DISTURBED_SHARE = 0.02
"""A block is disturbed if its process had to wait for longer than this share of it."""

OUT_OF_MEMORY = ("bad_alloc", "out of memory", "Cannot allocate memory", "Failed to allocate", "MemoryError")


class UnsupportedError(Exception):
    """The runtime cannot run this artifact in this scenario; the message is the reason of a skipped case."""


class Imported(msgspec.Struct, frozen=True):
    """A runtime after its import."""

    version: str
    formats: tuple[str, ...]
    peak_bytes: int


class Loaded(msgspec.Struct, frozen=True):
    """A model after loading, or why it was not loaded."""

    load_ns: int = 0
    unsupported: str | None = None


class FirstRun(msgspec.Struct, frozen=True):
    """Duration of the first call."""

    first_run_ns: int


class Block(msgspec.Struct, frozen=True):
    """Durations of single calls, and what happened to the process while it made them and warmed up before."""

    latency_ns: list[int]
    elapsed_ns: int
    waited_ns: int
    stolen_ns: int

    @property
    def is_disturbed(self) -> bool:
        """True if other processes or the hypervisor took a noticeable share of the time."""
        return self.waited_ns + self.stolen_ns > DISTURBED_SHARE * self.elapsed_ns


class Operators(msgspec.Struct, frozen=True):
    """What the runtime executes."""

    operators: tuple[str, ...] | None


class Profiled(msgspec.Struct, frozen=True):
    """The kernels of a call."""

    profile: Profile | None


class HighWater(msgspec.Struct, frozen=True):
    """Peak memory so far."""

    peak_bytes: int


class Done(msgspec.Struct, frozen=True):
    """Nothing to tell."""


Answer = TypeVar("Answer", bound=msgspec.Struct)


class CaseWorker:
    """Drives the worker process. Every method raises `ChildFailedError` where the worker crashes, hangs or says no."""

    def __init__(self, threads: int, limits: WorkerLimits, python: ForeignPython | None = None) -> None:
        self._limits = limits
        variables = thread_variables(threads)
        if python is None:
            self._child = ChildProcess(MODULE, variables=variables)
        else:
            self._child = ChildProcess(MODULE, variables=variables | python.variables, python=python.path)
        self._child.send({"memory_limit_bytes": limits.memory_limit_bytes})

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    def start_import(self, runtime: str) -> None:
        """Tells the worker to import its runtime, without waiting: many can start at once."""
        self._child.send({"do": "runtime", "name": runtime})

    def wait_for_greeting(self) -> None:
        """Waits until the worker is ready for its first request."""
        self._child.receive(self._limits.timeout_s)

    def load_anchor(self) -> int:
        """Makes ready the anchor in place of a model, and returns how long that took, in nanoseconds."""
        return self._ask("making the anchor", Loaded, do="anchor").load_ns

    def finish_import(self) -> Imported:
        """Waits for the import."""
        self.wait_for_greeting()
        return self._checked(self._child.receive(self._limits.timeout_s), "importing the runtime", Imported)

    def pin(self, cpus: Sequence[int]) -> None:
        """Confines the worker to these processors."""
        self._ask("pinning", Done, do="pin", cpus=list(cpus))

    def load(self, artifact: ModelArtifact, scenario: Scenario) -> int:
        """Loads the model and returns how long that took, in nanoseconds.

        Raises:
            UnsupportedError: The runtime cannot run it.
        """
        options = dataclasses.asdict(scenario.session_options)
        fields = dataclasses.asdict(artifact) | {"path": str(artifact.path)}
        answer = self._ask("loading the model", Loaded, do="load", artifact=fields, options=options)
        if answer.unsupported is not None:
            raise UnsupportedError(answer.unsupported)
        return answer.load_ns

    def feed(self, images: Path, batch_size: int, seed: int) -> None:
        """Makes ready the digits that are timed."""
        self._ask("reading the digits", Done, do="feed", images=str(images), batch_size=batch_size, seed=seed)

    def first_run(self) -> int:
        """Duration of the first call, in nanoseconds."""
        return self._ask("the first inference", FirstRun, do="first_run").first_run_ns

    def time(self, calls: int, warmup_ns: int, session: int = 0) -> Block:
        """Warms up, then times single calls; `session` counts the loads of this worker."""
        return self._ask("running", Block, do="time", calls=calls, warmup_ns=warmup_ns, session=session)

    def evaluate(self, images: Path, batch_size: int, logits: Path) -> None:
        """Runs all images and leaves the logits in a `.npy` file."""
        self._ask(
            "the accuracy run", Done, do="evaluate", images=str(images), batch_size=batch_size, logits=str(logits)
        )

    def operators(self) -> tuple[str, ...] | None:
        """What the runtime really executes, where it can tell."""
        return self._ask("reading the operators", Operators, do="operators").operators

    def profile(self, calls: int) -> Profile | None:
        """The kernels of one call, where the runtime can tell."""
        return self._ask("profiling", Profiled, do="profile", calls=calls).profile

    def peak_memory_bytes(self) -> int:
        """The worker's high-water mark so far."""
        return self._ask("reading the memory", HighWater, do="memory").peak_bytes

    def failure(self, reason: str) -> ChildFailedError:
        """A failure of this worker that the parent found."""
        return self._child.failure(reason)

    def kill(self) -> None:
        """Ends the worker at once."""
        self._child.kill()

    def _ask(self, step: str, kind: type[Answer], **request: Any) -> Answer:
        try:
            answer = self._child.ask(request, self._limits.timeout_s)
        except ChildFailedError as failure:
            raise ChildFailedError(f"{step}: {failure.reason}", failure.stderr_tail) from failure
        return self._checked(answer, step, kind)

    def _checked(self, answer: dict[str, Any], step: str, kind: type[Answer]) -> Answer:
        """The answer as the record that it must be: a runtime may have put anything into it."""
        if "error" in answer:
            reason = f"{step}: {answer['error']}"
            if any(sign in reason for sign in OUT_OF_MEMORY):
                reason += f" (it may take {self._limits.memory_limit_bytes // 2**20} MiB: see --memory-limit)"
            failure = self._child.failure(reason)
            missing = answer.get("kind") == RuntimeNotInstalledError.__name__
            raise NotInstalledError(failure.reason, failure.stderr_tail) if missing else failure
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise self._child.failure(f"{step}: the runtime gave something of the wrong type: {error}") from error

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
