"""A callable timed like a case: rounds of fresh processes, an A/A replicate, the reference workload, one report."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import Batching
from crossrt.harness.environment import installed_version, read_environment
from crossrt.harness.errors import ChildFailedError, HarnessError, NoAnswerError
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.effort import Cost, calls_for, fitted
from crossrt.harness.measure.participant import ControlRole, Participant, Timed
from crossrt.harness.measure.participants import REFERENCE_CALLS
from crossrt.harness.measure.rounds import Measurements, RoundRunner, RoundSettings, start_worker
from crossrt.harness.measure.settings import DEFAULT_EFFORT, DEFAULT_TIME_S, Effort, WorkerLimits
from crossrt.harness.process.affinity import STATUS, pinned_cpu
from crossrt.harness.process.callables import RUNTIME, Call
from crossrt.harness.process.case_worker import CaseWorker, thread_variables
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.process.messages import InputFile
from crossrt.harness.pytest_plugin.forked import ForkedChild
from crossrt.harness.run.prepare import scratch_folder
from crossrt.harness.run.run_state import new_run_id
from crossrt.reports.schema.records import SCHEMA_VERSION, Control, Data, Report, Result, Run, Settings
from crossrt.reports.statistics.metrics import MEASURED_METRICS, derive_metrics
from crossrt.reports.text.progress import Silent
from crossrt.runtimes.protocol import SessionOptions

FORKED: Final = (
    "each round forks the test process, so that memory layout is drawn from it; a function given as 'module:function'"
    " is timed in fresh processes"
)
_MODULE: Final = "crossrt.harness.process.callables"
_TRIAL_CALLS: Final = 20
_TRIAL_NS: Final = 500_000_000
_REPLICATE: Final = " replicate"
_REFERENCE: Final = "reference workload"
_MORE_MEMORY: Final = 4 * 2**30
_NAMES: Final = frozenset(f"latency_{each}_ns" for each in ("p50", "p90", "p99", "mean")) | {
    "throughput_per_s",
    "speedup_p50",
    "slowdown_p50",
    "first_inference_ns",
}
DEFINITIONS: Final = tuple(
    msgspec.structs.replace(each, margin=None) if each.name == "first_inference_ns" else each
    for each in MEASURED_METRICS
    if each.name in _NAMES
)
"""What can be said of a callable: it has no file, no kernels, and its first call is judged only where that is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a callable is timed.

    Attributes:
        name: What reports call it.
        threads: Threads that it uses; with one it is pinned to a processor.
        batch: Samples that one call handles.
        effort: How long is measured, at most.
        time_s: How long all may take, or None for two minutes at most.
        timeout_s: How long a step may take before the process counts as stuck.
        seed: Seed of all random orders.
        folders: Where `module:function` is looked for beside the import path.
        command: What is noted as the command.
    """

    name: str
    threads: int = 1
    batch: int = 1
    effort: Effort = DEFAULT_EFFORT
    time_s: float | None = None
    timeout_s: float = 60.0
    seed: int = 0
    folders: tuple[Path, ...] = ()
    command: tuple[str, ...] = ("pytest",)


def time_callable(target: Call | str, feeds: Mapping[str, Any] | None, asked: Asked) -> Report:
    """Times a call, or `module:function`.

    Args:
        target: What is called: in forks of this process, or imported by fresh ones.
        feeds: What an imported function is called with, if anything.
        asked: How it is timed.

    Raises:
        HarnessError: It fails: it raises, hangs, or ends its process.
    """
    began = time.monotonic()
    started_at = datetime.now(UTC)
    with scratch_folder() as folder, measuring_alone(lock_file(), Silent()):
        timed = _Timed(target, _stored(feeds, folder), asked)
        call_ns = timed.try_out()
        participants = timed.participants(call_ns)
        budget_s = (asked.time_s or DEFAULT_TIME_S) - (time.monotonic() - began)
        effort = fitted(asked.effort, [(each, Cost(call_ns=call_ns)) for each in participants], budget_s)
        how = RoundSettings(effort=effort, limits=timed.limits, seed=asked.seed, deadline=time.monotonic() + budget_s)
        found = Measurements()
        RoundRunner(participants, how, found, timed.start).run(Silent())
        for failure in found.failures.values():
            raise timed.problem(failure)
    return _report(timed, asked, effort, found, started_at)


class _Timed:
    """One callable and its processes."""

    def __init__(self, target: Call | str, inputs: tuple[InputFile, ...], asked: Asked) -> None:
        self._target, self._inputs, self._asked = target, inputs, asked
        self.is_forked = isinstance(target, Call)
        memory = WorkerLimits().memory_limit_bytes + (_own_data_bytes() if self.is_forked else 0)
        self.limits = WorkerLimits(timeout_s=asked.timeout_s, memory_limit_bytes=memory)

    def start(self, participant: Participant, limits: WorkerLimits) -> CaseWorker:
        """The process of a participant."""
        if participant.subject is None:
            return start_worker(participant, limits)
        if isinstance(self._target, Call):
            return CaseWorker(participant.threads, limits, child=ForkedChild(self._target))
        path = os.pathsep.join([*(each for each in sys.path if each), *map(str, self._asked.folders)])
        variables = {**thread_variables(participant.threads), "PYTHONPATH": path}
        return CaseWorker(participant.threads, limits, child=ChildProcess(_MODULE, variables=variables))

    def try_out(self) -> int:
        """A rough duration of a call, from a process of its own.

        Raises:
            HarnessError: The callable fails.
        """
        subject, one = self._subject(), self._participant(self._asked.name, 1)
        try:
            with self.start(one, self.limits) as worker:
                worker.start_import(subject.runtime)
                worker.finish_import()
                worker.load(subject.artifact, subject.options)
                worker.feed(subject.inputs, 1, self._asked.seed)
                first_ns = worker.first_inference()
                calls = min(_TRIAL_CALLS, max(1, _TRIAL_NS // max(first_ns, 1)))
                return int(median(worker.time(calls, self._asked.effort.warmup_ns).latency_ns))
        except ChildFailedError as failure:
            raise self.problem(failure) from None

    def participants(self, call_ns: int) -> list[Participant]:
        """The callable, its A/A replicate, and the reference workload."""
        calls = calls_for(call_ns, self._asked.effort.block_target_ns)
        own = self._participant(self._asked.name, calls)
        role = ControlRole(kind="replicate", of=case_id(self._asked))
        reference = Participant(
            key=_REFERENCE,
            subject=None,
            threads=1,
            batch_size=1,
            calls=REFERENCE_CALLS,
            control=ControlRole(kind="reference", of="numpy"),
        )
        return [own, replace(own, key=own.key + _REPLICATE, control=role), reference]

    def problem(self, failure: ChildFailedError) -> HarnessError:
        """A failure in one message: what was called, what happened, what it wrote last, and what to do."""
        reason = failure.reason.replace("the first inference: ", "the first call: ", 1)
        lines = [f"{self._asked.name} cannot be timed: {reason}"]
        if isinstance(failure, NoAnswerError):
            lines[0] += f" (timeout={self._asked.timeout_s:g})"
            if self.is_forked and (threads := _status_field("Threads")) > 1:
                lines.append(
                    f"It may wait for a thread: this process runs {threads} threads, and a fork has one. Make sessions"
                    " and thread pools within the callable, or give 'module:function'."
                )
        if failure.stderr_tail:
            lines.append(failure.stderr_tail)
        return HarnessError("\n".join(lines))

    def _participant(self, key: str, calls: int) -> Participant:
        asked = self._asked
        return Participant(key=key, subject=self._subject(), threads=asked.threads, batch_size=asked.batch, calls=calls)

    def _subject(self) -> Timed:
        runtime = RUNTIME if isinstance(self._target, Call) else self._target
        options = SessionOptions(batch_size=self._asked.batch, intra_op_threads=self._asked.threads)
        return Timed(runtime=runtime, artifact=_no_file(self._asked.name), options=options, inputs=self._inputs)


def _stored(feeds: Mapping[str, Any] | None, folder: Path) -> tuple[InputFile, ...]:
    """Feeds as files: what fresh processes read, and no objects."""
    found = []
    for number, (name, value) in enumerate((feeds or {}).items()):
        array = np.asarray(value)
        if array.dtype == object:
            raise HarnessError(f"the feed {name} is a {type(value).__name__}: give arrays of numbers or text")
        np.save(folder / f"{number}.npy", array, allow_pickle=False)
        found.append(InputFile(name=name, path=str(folder / f"{number}.npy"), axis=None, is_shared=True))
    return tuple(found)


def _no_file(name: str) -> ModelArtifact:
    """What stands for the model file that a callable does not have."""
    return ModelArtifact(
        model=name,
        variant=name,
        format="onnx",
        path=Path(os.devnull),
        sha256="",
        size_bytes=0,
        inputs=(),
        outputs=(),
        batching=Batching(axes={}),
        role="float",
        quantization=None,
        producer={},
        source_sha256="",
    )


def case_id(asked: Asked) -> str:
    """The case as reports name it."""
    return f"{asked.name}@{RUNTIME}/b{asked.batch}/t{asked.threads}"


def _report(timed: _Timed, asked: Asked, effort: Effort, found: Measurements, started_at: datetime) -> Report:
    result = Result(
        case=case_id(asked),
        subject=f"{asked.name}@{RUNTIME}",
        artifact=asked.name,
        runtime=RUNTIME,
        runtime_version=platform.python_version(),
        batch_size=asked.batch,
        threads=asked.threads,
        io="float32",
        status="ok",
        model=asked.name,
        variant=asked.name,
        rounds=tuple(found.rounds[asked.name]),
    )
    metrics = derive_metrics([result], [], result.subject, DEFINITIONS)
    return Report(
        schema_version=SCHEMA_VERSION,
        run=_run(asked, effort, timed.limits, found, started_at),
        environment=read_environment([], asked.threads),
        data=Data(name="none", fingerprint="none", samples=0),
        task="none",
        definitions=DEFINITIONS,
        artifacts=(),
        results=(result,),
        metrics=tuple(each for each in metrics if each.name in _NAMES),
        cautions=(FORKED,) if timed.is_forked else (),
        controls=_controls(asked, found),
    )


def _controls(asked: Asked, found: Measurements) -> tuple[Control, ...]:
    replicate = Control(
        kind="replicate",
        of=case_id(asked),
        batch_size=asked.batch,
        threads=asked.threads,
        rounds=tuple(found.rounds[asked.name + _REPLICATE]),
    )
    reference = Control(kind="reference", of="numpy", batch_size=1, threads=1, rounds=tuple(found.rounds[_REFERENCE]))
    return replicate, reference


def _run(asked: Asked, effort: Effort, limits: WorkerLimits, found: Measurements, started_at: datetime) -> Run:
    settings = Settings(
        rounds=effort.rounds,
        blocks_per_round=effort.blocks,
        block_target_ns=effort.block_target_ns,
        baseline=f"{asked.name}@{RUNTIME}",
        minimum_agreement=0.0,
        time_budget_s=asked.time_s,
        seed=asked.seed,
        timeout_s=limits.timeout_s,
        memory_limit_bytes=limits.memory_limit_bytes,
        pinned_cpu=pinned_cpu(asked.threads),
    )
    return Run(
        id=new_run_id(started_at),
        started_at=started_at.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        status="complete",
        command=asked.command,
        crossrt_version=installed_version("crossrt") or "unknown",
        settings=settings,
        parent_cpu_share=found.parent_cpu_share,
    )


def _status_field(name: str) -> int:
    if not STATUS.exists():
        return 0
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def _own_data_bytes() -> int:
    """Private memory of this process, which a fork starts with."""
    return _status_field("VmData") * 1024
