"""How a run measures: the numbers behind `--quick` and the default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtimes.protocol import IoMode

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
    """

    rounds: int
    blocks: int
    block_target_ns: int
    warmup_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may take.

    Attributes:
        timeout_s: Deadline of each single step.
        memory_limit_bytes: Private memory.
    """

    timeout_s: float = 60.0
    memory_limit_bytes: int = 4 * 2**30


DEFAULT_EFFORT = Effort(rounds=10, blocks=8, block_target_ns=10_000_000, warmup_ns=1_500_000)
QUICK_EFFORT = Effort(rounds=3, blocks=6, block_target_ns=10_000_000, warmup_ns=1_500_000)


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
