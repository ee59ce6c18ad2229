"""The two sides of an A/B comparison, and what is known while it goes on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import Assessment
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.settings import DuelSettings
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.harness.run.run_state import RunState
from crossrt.reports.schema.records import Look
from crossrt.reports.verdicts.duel import Samples, samples_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One side.

    Attributes:
        prepared: What is timed.
        python: Another Python that runs it, or None for this one.
        assessment: What is known of it before it is timed.
        keys: Keys of its two processes a round.
        calls: Timed calls of each block, the same on both sides: the first calls of a block are the slowest, and in a
            shorter block they would weigh more.
    """

    prepared: Prepared
    python: ForeignPython | None
    assessment: Assessment
    keys: tuple[str, str]
    calls: int

    def participants(self) -> list[Participant]:
        """Its two processes a round."""
        subject = dataclasses.replace(self.prepared.timed(), python=self.python)
        scenario = self.prepared.case.scenario
        return [
            Participant(
                key=key, subject=subject, threads=scenario.threads, batch_size=scenario.batch_size, calls=self.calls
            )
            for key in self.keys
        ]


@dataclass(slots=True, kw_only=True)
class Match:
    """An A/B comparison while it goes on."""

    settings: DuelSettings
    state: RunState
    arms: tuple[Arm, Arm]
    looks: list[Look] = field(default_factory=list)

    def failure_of(self, arm: Arm) -> ChildFailedError | None:
        """Why a process of a side failed in the rounds, or None."""
        failures = self.state.measurements.failures
        return next((failures[key] for key in arm.keys if key in failures), None)

    def samples(self) -> Samples:
        """One logarithm for each finished round."""
        found = self.state.measurements.rounds
        return samples_of(*(found.get(key, ()) for arm in self.arms for key in arm.keys))
