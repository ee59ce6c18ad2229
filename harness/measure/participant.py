"""What takes part in rounds: a case, a twin of one, the overhead floor of a runtime, or the anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.measure.case import Scenario
from crossrt.harness.process.foreign_python import ForeignPython


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A model on a runtime.

    Attributes:
        runtime: Name of the runtime.
        artifact: The file that it loads.
        python: Another Python that runs the worker, or None for this one.
    """

    runtime: str
    artifact: ModelArtifact
    python: ForeignPython | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRole:
    """A participant that cases are judged by: see `crossrt.reports.schema.records.Control`."""

    kind: Literal["twin", "floor", "anchor"]
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One process of each round.

    Attributes:
        key: Unique within a run.
        subject: What is timed, or None for the anchor.
        scenario: How it is asked.
        calls: Timed calls of each block.
        rounds: In how many rounds it takes part at most; None for all.
        control: What it is for, where it is no case.
    """

    key: str
    subject: Timed | None
    scenario: Scenario
    calls: int
    rounds: int | None = None
    control: ControlRole | None = None
