"""One worker process from the parent's side: each step of a case as a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.errors import ChildFailedError, NotInstalledError, OptionFailedError
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.messages import (
    Evaluate,
    Feed,
    FirstInference,
    ImportRuntime,
    InputFile,
    Load,
    LoadReferenceWorkload,
    Pin,
    ProfileCalls,
    ReadOperators,
    ReadPeakMemory,
    Request,
    ServeQueries,
    TellTime,
    TimeBlock,
    Unload,
    encoded,
)
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.runtimes.errors import OptionRefusedError, RuntimeNotInstalledError
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.protocol import SessionOptions

MODULE = "crossrt.harness.process.worker"

DISTURBED_SHARE = 0.02
"""A block is disturbed if its process had to wait for longer than this share of it."""

OUT_OF_MEMORY = ("bad_alloc", "out of memory", "Cannot allocate memory", "Failed to allocate", "MemoryError")


_FAILURES: Final[Mapping[str, type[ChildFailedError]]] = {
    RuntimeNotInstalledError.__name__: NotInstalledError,
    OptionRefusedError.__name__: OptionFailedError,
}
"""What some errors of an adapter are here."""


class UnsupportedError(Exception):
    """The runtime cannot run this artifact in this scenario; the message is the reason of a skipped case."""


class Imported(msgspec.Struct, frozen=True):
    """A runtime after its import: what it is, the options that it was given, and those that it declares."""

    name: str
    version: str
    formats: tuple[str, ...]
    peak_bytes: int
    options: dict[str, str] = {}
    declared: tuple[RuntimeOption, ...] = ()
    is_timed: bool = True


class Loaded(msgspec.Struct, frozen=True):
    """A model after loading, or why it was not loaded."""

    load_ns: int = 0
    unsupported: str | None = None


class First(msgspec.Struct, frozen=True):
    """Duration of the first call."""

    first_inference_ns: int


class Answered(msgspec.Struct, frozen=True):
    """Names of the outputs that were evaluated, in order, and why some of them cannot be compared."""

    outputs: tuple[str, ...]
    problems: dict[str, str]


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


class Clock(msgspec.Struct, frozen=True):
    """A moment of `time.perf_counter_ns`."""

    clock_ns: int


class ServedQueries(msgspec.Struct, frozen=True):
    """What became of queries that arrived at random; `is_held` is None where the time was over before that was told."""

    queries: int
    over: int
    tail_ns: int
    busy_ns: int
    elapsed_ns: int
    is_held: bool | None
    away_ns: int

    @property
    def is_disturbed(self) -> bool:
        """True if other processes or the hypervisor took a noticeable share of the time."""
        return self.away_ns > DISTURBED_SHARE * self.elapsed_ns


class Operators(msgspec.Struct, frozen=True):
    """What the runtime executes, and what must be said of who runs it."""

    operators: tuple[str, ...] | None
    note: str | None = None


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

    def __init__(
        self,
        threads: int,
        limits: WorkerLimits,
        python: ForeignPython | None = None,
        child: ChildProcess | None = None,
        launcher: Sequence[str] = (),
    ) -> None:
        """Starts the worker.

        Args:
            threads: Of each operator.
            limits: What it may take.
            python: Another environment's interpreter.
            child: A process that runs already and speaks the worker's protocol, in place of one that is started.
            launcher: A command that runs it, such as an emulator.
        """
        self._limits = limits
        variables = thread_variables(threads)
        if child is not None:
            self._child = child
        elif python is None:
            self._child = ChildProcess(MODULE, variables=variables, launcher=launcher)
        else:
            self._child = ChildProcess(
                MODULE, variables=variables | python.variables, python=python.path, launcher=launcher
            )
        self._child.send({"memory_limit_bytes": limits.memory_limit_bytes})

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    def start_import(self, runtime: str) -> None:
        """Tells the worker to import its runtime, without waiting: many can start at once."""
        self._child.send(encoded(ImportRuntime(name=runtime)))

    def import_timed(self, runtime: str) -> tuple[int, int]:
        """Imports a runtime; when the worker was ready for that, and when it was done.

        Both are moments of `time.perf_counter_ns`, a clock that all processes share.
        """
        for request in (TellTime(), ImportRuntime(name=runtime), TellTime()):
            self._child.send(encoded(request))
        self.wait_for_greeting()
        step, wait_s = "importing the runtime", self._limits.timeout_s
        ready = self._checked(self._child.receive(wait_s), step, Clock)
        self._checked(self._child.receive(wait_s), step, Imported)
        return ready.clock_ns, self._checked(self._child.receive(wait_s), step, Clock).clock_ns

    def wait_for_greeting(self) -> None:
        """Waits until the worker is ready for its first request."""
        self._child.receive(self._limits.timeout_s)

    def load_reference_workload(self) -> int:
        """Makes ready the reference workload in place of a model; how long that took, in nanoseconds."""
        return self._ask("making the reference workload", Loaded, LoadReferenceWorkload()).load_ns

    def finish_import(self) -> Imported:
        """Waits for the import."""
        self.wait_for_greeting()
        return self._checked(self._child.receive(self._limits.timeout_s), "importing the runtime", Imported)

    def pin(self, cpus: Sequence[int]) -> None:
        """Confines the worker to these processors."""
        self._ask("pinning", Done, Pin(cpus=tuple(cpus)))

    def load(self, artifact: ModelArtifact, options: SessionOptions) -> int:
        """Loads the model and returns how long that took, in nanoseconds.

        Raises:
            UnsupportedError: The runtime cannot run it.
        """
        answer = self._ask("loading the model", Loaded, Load(artifact=artifact, options=options))
        if answer.unsupported is not None:
            raise UnsupportedError(answer.unsupported)
        return answer.load_ns

    def feed(self, inputs: Sequence[InputFile], batch_size: int, seed: int) -> None:
        """Makes ready the samples that are timed."""
        self._ask("reading the samples", Done, Feed(inputs=tuple(inputs), batch_size=batch_size, seed=seed))

    def first_inference(self) -> int:
        """Duration of the first call, in nanoseconds."""
        return self._ask("the first inference", First, FirstInference()).first_inference_ns

    def time(self, calls: int, warmup_ns: int, session: int = 0) -> Block:
        """Warms up, then times single calls; `session` counts the loads of this worker."""
        return self._ask("running", Block, TimeBlock(calls=calls, warmup_ns=warmup_ns, session=session))

    def serve(self, request: ServeQueries) -> ServedQueries:
        """Answers queries that arrive at random, for as long as the request says."""
        return self._ask("serving queries", ServedQueries, request, 2 * request.most_ns / 1e9)

    def unload(self) -> None:
        """Closes all sessions."""
        self._ask("unloading the model", Done, Unload())

    def evaluate(
        self, inputs: Sequence[InputFile], samples: int, batch_size: int, folder: Path, timeout_s: float | None = None
    ) -> Answered:
        """Answers all samples and leaves each output in `<folder>/<number>.npy`."""
        request = Evaluate(inputs=tuple(inputs), samples=samples, batch_size=batch_size, folder=str(folder))
        return self._ask("answering the data set", Answered, request, timeout_s)

    def operators(self) -> Operators:
        """What the runtime really executes, where it can tell."""
        return self._ask("reading the operators", Operators, ReadOperators())

    def profile(self, calls: int) -> Profile | None:
        """The kernels of one call, where the runtime can tell."""
        return self._ask("profiling", Profiled, ProfileCalls(calls=calls)).profile

    def peak_memory_bytes(self) -> int:
        """The worker's high-water mark so far."""
        return self._ask("reading the memory", HighWater, ReadPeakMemory()).peak_bytes

    def failure(self, reason: str) -> ChildFailedError:
        """A failure of this worker that the parent found."""
        return self._child.failure(reason)

    def kill(self) -> None:
        """Ends the worker at once."""
        self._child.kill()

    def _ask(self, step: str, kind: type[Answer], request: Request, timeout_s: float | None = None) -> Answer:
        try:
            answer = self._child.ask(encoded(request), max(timeout_s or 0.0, self._limits.timeout_s))
        except ChildFailedError as failure:
            raise type(failure)(f"{step}: {failure.reason}", failure.stderr_tail) from failure
        return self._checked(answer, step, kind)

    def _checked(self, answer: dict[str, Any], step: str, kind: type[Answer]) -> Answer:
        """The answer as the record that it must be: a runtime may have put anything into it."""
        if "error" in answer:
            reason = f"{step}: {answer['error']}"
            if any(sign in reason for sign in OUT_OF_MEMORY):
                reason += f" (it may take {self._limits.memory_limit_bytes // 2**20} MiB: see --memory-limit)"
            failure = self._child.failure(reason)
            kind_of_failure = _FAILURES.get(answer.get("kind", ""), type(failure))
            raise kind_of_failure(failure.reason, failure.stderr_tail)
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
