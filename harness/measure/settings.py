"""How a run measures: the numbers behind `--quick` and the default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossrt.runtimes.protocol import IoMode

BASELINE_VARIANT = "fp32"
MINIMUM_AGREEMENT = 0.99


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
        memory_limit_bytes: Private memory.
    """

    timeout_s: float = 60.0
    memory_limit_bytes: int = 4 * 2**30


DEFAULT_EFFORT = Effort(rounds=10, blocks=12, block_target_ns=5_000_000, warmup_ns=1_000_000)
QUICK_EFFORT = Effort(rounds=3, blocks=12, block_target_ns=5_000_000, warmup_ns=1_000_000)
DUEL_EFFORT = Effort(rounds=1, blocks=24, block_target_ns=1_500_000, warmup_ns=500_000, sessions=6)
"""Short blocks: the less time between two that are compared, the less the machine can change in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """Everything that the user can choose about a run.

    Attributes:
        model_path: The `.keras` file.
        artifacts: A folder of exported artifacts to use in place of building any.
        runtimes: Names of the runtimes to measure; empty for all that are registered.
        only: Patterns that select cases; empty for all.
        batch_sizes: Digits per call, ascending.
        threads: Threads per operator, the same on every runtime.
        io: Whose tensor types are fed.
        effort: How long is measured.
        baseline: `<variant>@<runtime>` that speed-ups refer to, or None for the first float32 case.
        minimum_agreement: A case below it is failed and not timed.
        seed: Seed of all random orders and of the digits that are timed.
        limits: What a worker may take.
        diagnoses: Whether files are diagnosed and kernels profiled as well, after all is timed.
    """

    model_path: Path
    artifacts: Path | None = None
    runtimes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    batch_sizes: tuple[int, ...] = (1, 32)
    threads: int = 1
    io: IoMode = "float32"
    effort: Effort = DEFAULT_EFFORT
    baseline: str | None = None
    minimum_agreement: float = MINIMUM_AGREEMENT
    seed: int = 0
    limits: WorkerLimits = WorkerLimits()
    diagnoses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelSettings:
    """What the user can choose about a duel.

    Attributes:
        run: What it shares with a bench; its batch size, threads and I/O mode hold where an arm names no other.
        a: The first arm, `[model.]variant@runtime[/bN][/tN][/native]`.
        b: The second arm.
        python_b: Another environment's Python for the second arm, or None.
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
