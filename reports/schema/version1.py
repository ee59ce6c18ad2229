"""Files of schema version 1, as far as they differ from version 2: one image classifier, one Keras reference."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from crossrt.core.evaluation import ClassScore
from crossrt.reports.schema.records import (
    Count,
    Environment,
    KernelCounts,
    KernelShares,
    LayerErrors,
    Look,
    Memory,
    Metric,
    Nanoseconds,
    Positive,
    Quantization,
    Run,
    Status,
    Tensor,
    Text,
)

Samples = Annotated[int, Meta(ge=0, le=10**7)]
"""No test set of version 1 was as large: more is refused before any memory is taken."""

Class = Annotated[int, Meta(ge=0, lt=2**16)]


class Artifact1(Struct, frozen=True, kw_only=True):
    """One model file; `null` in a shape is a dynamic dimension."""

    id: Text
    model: Text
    variant: Text
    format: Text
    sha256: str
    size_bytes: Count
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    quantization: Quantization | None
    producer: dict[str, str]
    model_sha256: str


class Round1(Struct, frozen=True, kw_only=True):
    """What one process measured: all calls in a row, of which `calls_per_block` of its case or control make a block."""

    index: Count
    position: Count
    load_ns: Nanoseconds
    first_run_ns: Nanoseconds
    latency_ns: Annotated[tuple[Nanoseconds, ...], Meta(min_length=1)]
    repeated_blocks: Count = 0
    disturbed_blocks: tuple[Count, ...] = ()


class Accuracy1(Struct, frozen=True, kw_only=True):
    """Answers to the test set. `misclassified` holds the number of each sample called wrong, and what it was called."""

    samples: Annotated[int, Meta(ge=1, le=10**7)]
    correct: Samples
    confusion: tuple[tuple[Samples, ...], ...]
    per_class: tuple[ClassScore, ...]
    logits_sha256: str
    reference_correct: Samples | None = None
    agreement: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_abs_error: Annotated[float, Meta(ge=0)] | None = None
    misclassified: tuple[tuple[Samples, Class], ...] | None = None
    sqnr_db: Annotated[float, Meta(ge=-2000, le=2000)] | None = None


class Result1(Struct, frozen=True, kw_only=True):
    """One case, called `<model>.<variant>@<runtime>/b<batch>/t<threads>`."""

    case: Text
    artifact: Text
    runtime: Text
    runtime_version: str | None
    batch_size: Positive
    threads: Positive
    io: Literal["float32", "native"]
    status: Status
    reason: str | None = None
    stderr_tail: str | None = None
    calls_per_block: Count = 0
    rounds: tuple[Round1, ...] = ()
    accuracy: Accuracy1 | None = None
    memory: Memory | None = None
    operators: tuple[str, ...] | None = None
    kernels: KernelCounts | None = None
    kernel_shares: KernelShares | None = None


class Distance1(Struct, frozen=True, kw_only=True):
    """How far the logits of two cases are apart."""

    one: Text
    other: Text
    kl_nats: Annotated[float, Meta(ge=0)]
    kl_back_nats: Annotated[float, Meta(ge=0)]
    max_steps: Annotated[float, Meta(ge=0)] | None = None


class Control1(Struct, frozen=True, kw_only=True):
    """`twin` is an A/A replicate, `floor` a no-op model, `anchor` the reference workload."""

    kind: Literal["twin", "floor", "anchor"]
    of: Text
    batch_size: Positive
    threads: Positive
    calls_per_block: Annotated[int, Meta(ge=1)]
    rounds: tuple[Round1, ...]


class Environment1(Environment, frozen=True, kw_only=True):
    """The machine, the test set and the Keras model."""

    data_sha256: str
    model_sha256: str | None


class Report1(Struct, frozen=True, kw_only=True):
    """A report."""

    schema_version: Literal[1]
    run: Run
    environment: Environment1
    artifacts: tuple[Artifact1, ...]
    results: tuple[Result1, ...]
    metrics: tuple[Metric, ...]
    controls: tuple[Control1, ...] = ()
    distances: tuple[Distance1, ...] = ()
    layers: tuple[LayerErrors, ...] = ()


class Arm1(Struct, frozen=True, kw_only=True):
    """One side of an A/B comparison."""

    result: Result1
    twin_rounds: tuple[Round1, ...]
    environment: Environment1


class Duel1(Struct, frozen=True, kw_only=True):
    """An A/B comparison."""

    schema_version: Literal[1]
    kind: Literal["duel"]
    run: Run
    margin: Annotated[float, Meta(ge=0)]
    budget_s: Annotated[float, Meta(gt=0)]
    artifacts: tuple[Artifact1, ...]
    a: Arm1
    b: Arm1
    looks: tuple[Look, ...]
