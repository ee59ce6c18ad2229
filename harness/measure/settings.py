"""What the user can choose about a run, and how long it measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Final, Literal, get_args

from crossrt.datasets.opening import DataRequest
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.scenarios.asked import AskedScenario
from crossrt.harness.process.affinity import check_threads
from crossrt.runtimes.protocol import IoMode

MINIMUM_AGREEMENT = 0.99
Cpu = Literal["avx2"]
CPUS: Final[tuple[Cpu, ...]] = get_args(Cpu)
"""Processors that can be emulated, named after the widest vectors that they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long is measured.

    Attributes:
        rounds: Fresh processes per case.
        blocks: Blocks of timed calls that each process makes, interleaved with those of all other cases.
        block_target_ns: How long one block of calls should take.
        warmup_ns: How long a process warms its caches before each block.
        sessions: How often each process loads the model. Its blocks go round the sessions, so that a process draws
            several memory layouts.
    """

    rounds: int
    blocks: int
    block_target_ns: int
    warmup_ns: int
    sessions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may take.

    Attributes:
        timeout_s: Deadline of each single step.
        memory_limit_bytes: Private memory; 0 for four times the model file and 4 GiB at least.
    """

    timeout_s: float = 60.0
    memory_limit_bytes: int = 4 * 2**30


DEFAULT_EFFORT = Effort(rounds=10, blocks=12, block_target_ns=5_000_000, warmup_ns=1_000_000)
QUICK_EFFORT = Effort(rounds=3, blocks=12, block_target_ns=5_000_000, warmup_ns=1_000_000)
DUEL_EFFORT = Effort(rounds=1, blocks=24, block_target_ns=1_500_000, warmup_ns=500_000, sessions=6)
"""Short blocks: the less time between two that are compared, the less the machine can change in it."""

DEFAULT_TIME_S = 120.0
"""How long a run may take where the user names no time: enough for ten rounds of the bundled reference."""

ANSWERING_SHARE = 0.4
"""Share of the time of a run that answering the data set may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is run, and on what: models, data, task.

    Attributes:
        models: Files or folders that the user brings; empty for the bundled reference.
        artifacts: A folder of exported artifacts to use in place of building any.
        data: The data set, or None for the bundled reference's own, or random inputs.
        calibration: What quantizers are calibrated with.
        task: How answers are scored, or None to choose by labels and outputs.
        dimensions: Sizes of dynamic dimensions, by name.
        samples: How many samples are answered at most, from the first; None for all.
        allow_h5: Whether legacy `.h5` files may be loaded.
        seed: Of random inputs.
        recipes: Names or patterns of recipes that are built beside those of the main job.
        data_origin: The configuration file that names the data, or None.
        calibration_origin: The one that names the calibration data, or None.
    """

    models: tuple[Path, ...] = ()
    artifacts: Path | None = None
    data: DataRequest | None = None
    calibration: DataRequest | None = None
    task: str | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)
    samples: int | None = None
    allow_h5: bool = False
    seed: int = 0
    recipes: tuple[str, ...] = ()
    data_origin: str | None = None
    calibration_origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusivity:
    """How quiet a machine has to be of which exclusive use is asked for.

    Attributes:
        max_pressure: Share of the time in which a task may wait for a processor.
        max_steal: Processors that a hypervisor may take away.
    """

    max_pressure: float = 0.05
    max_steal: float = 0.01

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a limit that is none."""
        for name, value in (("max_pressure", self.max_pressure), ("max_steal", self.max_steal)):
            if isinstance(value, bool) or not (isinstance(value, Real) and 0 <= value < math.inf):
                raise HarnessError(f"{name} is {value!r}; expected a share, such as 0.05 for 5%")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Everything that the user can choose about a run.

    Attributes:
        subject: Models, data, task.
        runtimes: Names of the runtimes to measure; empty for all that are registered.
        only: Patterns that select cases; empty for all.
        needs_only: Whether it is an error if they select none; else all cases are taken.
        batch_sizes: Samples per call, ascending; empty for 1 and 32, or what the model can run.
        threads: Threads per operator, the same on every runtime.
        more_threads: Further numbers of threads that every case is measured with as well.
        scenarios: What is measured beside single-stream.
        is_single_stream: Whether single-stream is asked for; else few rounds of it say where others start.
        io: Whose tensor types are fed.
        effort: How long is measured, at most.
        time_s: How long checking and measuring may take, or None for what the effort takes and two minutes of measuring
            at most. Building artifacts, which the cache keeps, comes on top.
        baseline: `<variant>@<runtime>` that speed-ups refer to, or None for the first float case.
        minimum_agreement: A quantized or converted case below it is failed and not timed.
        seed: Seed of all random orders and of the samples that are timed.
        limits: What a worker may take.
        diagnoses: Whether files are diagnosed and kernels profiled as well, after all is timed.
        cpu: A processor on which cases are answered as well, after all is timed: an emulator stands in for it.
        has_roofline: Whether cases are compared with the limits of this machine, after all is timed.
        exclusive: How quiet the machine has to be, where exclusive use of it has to be proved, or None.
        has_evidence: Whether counters and power meters are read while each case is called, after all is timed.
    """

    subject: Subject = Subject()
    runtimes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    needs_only: bool = True
    batch_sizes: tuple[int, ...] = ()
    threads: int = 1
    more_threads: tuple[int, ...] = ()
    scenarios: tuple[AskedScenario, ...] = ()
    is_single_stream: bool = True
    io: IoMode = "float32"
    effort: Effort = DEFAULT_EFFORT
    time_s: float | None = None
    baseline: str | None = None
    minimum_agreement: float = MINIMUM_AGREEMENT
    seed: int = 0
    limits: WorkerLimits = WorkerLimits()
    diagnoses: bool = False
    cpu: Cpu | None = None
    has_roofline: bool = False
    exclusive: Exclusivity | None = None
    has_evidence: bool = False

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a number that means nothing, or more threads than this machine can run."""
        at_least("rounds", self.effort.rounds, 1)
        for number in self.thread_counts:
            at_least("threads", number, 1)
            check_threads(number)
        if self.subject.samples is not None:
            at_least("samples", self.subject.samples, 1)
        at_least("seed", self.seed, 0)
        if self.time_s is not None:
            _above_zero("time", self.time_s)
        for size in self.batch_sizes:
            at_least("batch", size, 1)
        check_agreement(self.minimum_agreement)
        if self.cpu is not None and self.cpu not in CPUS:
            raise HarnessError(f"cpu is {self.cpu!r}; expected {' or '.join(map(repr, CPUS))}")
        for name, value in (("roofline", self.has_roofline), ("evidence", self.has_evidence)):
            if not isinstance(value, bool):
                raise HarnessError(f"{name} is {value!r}; expected True or False")

    @property
    def answering_s(self) -> float:
        """How long answering the data set may take."""
        return ANSWERING_SHARE * (self.time_s or DEFAULT_TIME_S)

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """All numbers of threads, each once."""
        return tuple(dict.fromkeys((self.threads, *self.more_threads)))


def at_least(name: str, value: int, least: int) -> None:
    """Raises `HarnessError` where a number is not whole, or too small."""
    if not isinstance(value, Integral):
        raise HarnessError(f"{name} is {value!r}; expected a whole number, {least} or more")
    if value < least:
        raise HarnessError(f"{name} is {value}; expected {least} or more")


def _above_zero(name: str, value: float) -> None:
    if not (isinstance(value, Real) and 0 < value < math.inf):
        raise HarnessError(f"{name} is {value!r}; expected a number above 0")


def check_agreement(value: float) -> None:
    """Raises `HarnessError` where the least agreement is not a share."""
    if not (isinstance(value, Real) and 0 <= value <= 1):
        raise HarnessError(f"minimum agreement is {value!r}; expected a share from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelSettings:
    """What the user can choose about an A/B comparison.

    Attributes:
        run: What it shares with a bench; its batch size, threads and I/O mode hold where a side names no other.
        a: The first side: `[model.]variant@runtime[/bN][/tN][/native]`, or a model file with an optional `@runtime`.
        b: The second side.
        python_b: Another environment's Python for the second side, or None.
        margin: The ratio minus 1 up to which two times count as the same.
        budget_s: How long may be measured before the verdict; confirming it comes on top.
        is_gate: Only whether B is slower is asked: stop as soon as it is known not to be.
    """

    run: BenchSettings
    a: str
    b: str
    budget_s: float
    python_b: Path | None = None
    margin: float = 0.02
    is_gate: bool = False

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a number that means nothing."""
        _above_zero("budget", self.budget_s)
        _above_zero("margin", self.margin)
