"""What takes part in rounds: a case, an A/A replicate of one, the no-op model of a runtime, the reference workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.process.messages import InputFile
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.runtimes.protocol import SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A model on a runtime.

    Attributes:
        runtime: Name of the runtime.
        artifact: The file that it loads.
        options: How it is prepared.
        inputs: What it is fed with.
        python: Another Python that runs the worker, or None for this one.
    """

    runtime: str
    artifact: ModelArtifact
    options: SessionOptions
    inputs: tuple[InputFile, ...]
    python: ForeignPython | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRole:
    """A participant that cases are judged by: see `crossrt.reports.schema.records.Control`."""

    kind: Literal["replicate", "noop", "reference"]
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One process of each round.

    Attributes:
        key: Unique within a run.
        subject: What is timed, or None for the reference workload.
        threads: Threads per operator.
        batch_size: Samples per call.
        calls: Timed calls of each block.
        rounds: In how many rounds it takes part at most; None for all.
        control: What it is for, where it is not a case.
    """

    key: str
    subject: Timed | None
    threads: int
    batch_size: int
    calls: int
    rounds: int | None = None
    control: ControlRole | None = None
