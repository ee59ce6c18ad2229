"""The two sides of a duel, and what is known while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.participant import Participant, Timed
from crossrt.harness.measure.settings import DuelSettings
from crossrt.harness.process.foreign_python import ForeignPython
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import Look
from crossrt.reports.statistics.contrasts import by_round
from crossrt.reports.verdicts.duel import Samples, samples_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side of a duel.

    Attributes:
        case: What is timed.
        artifact: Its file.
        python: Another Python that runs it, or None for this one.
        assessment: What is known of it before it is timed.
        keys: Keys of its two processes a round.
        calls: Timed calls of each block, the same on both sides: the first calls of a block are the slowest, and in a
            shorter block they would weigh more.
    """

    case: Case
    artifact: ModelArtifact
    python: ForeignPython | None
    assessment: Assessment
    keys: tuple[str, str]
    calls: int

    def participants(self) -> list[Participant]:
        """Its two processes a round."""
        subject = Timed(runtime=self.case.runtime, artifact=self.artifact, python=self.python)
        return [
            Participant(key=key, subject=subject, scenario=self.case.scenario, calls=self.calls) for key in self.keys
        ]


@dataclass(slots=True, kw_only=True)
class Match:
    """A duel while it goes on."""

    settings: DuelSettings
    state: RunState
    arms: tuple[Arm, Arm]
    looks: list[Look] = field(default_factory=list)

    def failure_of(self, arm: Arm) -> ChildFailedError | None:
        """Why a process of an arm failed in the rounds, or None."""
        failures = self.state.measurements.failures
        return next((failures[key] for key in arm.keys if key in failures), None)

    def samples(self) -> Samples:
        """One logarithm for each finished round."""
        found = self.state.measurements.rounds
        logs = [by_round(found.get(key, ()), arm.calls) for arm in self.arms for key in arm.keys]
        return samples_of(*logs)
