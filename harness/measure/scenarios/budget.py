"""What the scenarios share: who takes part, and how long each may measure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossrt.harness.measure.effort import START_UP_S
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.turns import Entrant, TurnSettings
from crossrt.harness.measure.settings import WorkerLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How a scenario is measured.

    Attributes:
        rounds: Rounds, at most.
        time_s: How long it may take.
        seed: Of orders and arrivals.
        limits: What a worker may take.
    """

    rounds: int
    time_s: float
    seed: int
    limits: WorkerLimits

    def turns(self) -> TurnSettings:
        """Rounds that begin now."""
        return TurnSettings(
            rounds=self.rounds, seed=self.seed, limits=self.limits, deadline=time.monotonic() + self.time_s
        )

    def of_each_ns(self, entrants: int) -> int:
        """How long each of them may measure in each round, its start aside."""
        start_s = START_UP_S * entrants * self.rounds
        return int(1e9 * max(self.time_s - start_s, 0.1 * self.time_s) / max(entrants * self.rounds, 1))


def with_replicate(prepared: Sequence[Prepared], baseline: str) -> list[Entrant]:
    """Every case, and a second process of the baseline or of the first (A/A)."""
    entrants = [_entrant(each) for each in prepared]
    original = next((each for each in prepared if each.case.subject == baseline), None) or prepared[0]
    return [*entrants, _entrant(original, is_replicate=True)]


def _entrant(each: Prepared, *, is_replicate: bool = False) -> Entrant:
    key = f"{each.case.id} replicate" if is_replicate else each.case.id
    return Entrant(key=key, prepared=each, threads=each.case.scenario.threads, is_replicate=is_replicate)


def smallest_of_each(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Of each file on a runtime the case with the fewest threads and the smallest batch: others have no scenarios."""
    found: dict[tuple[str, str], Prepared] = {}
    for each in sorted(prepared, key=lambda each: (each.case.scenario.threads, each.case.scenario.batch_size)):
        found.setdefault((each.case.subject, each.case.scenario.io), each)
    chosen = {each.case.id for each in found.values()}
    return [each for each in prepared if each.case.id in chosen]


def keys_of(entrants: Sequence[Entrant], case: str) -> Iterator[tuple[str, bool]]:
    """The keys of a case's entrants, and whether they are replicates."""
    for each in entrants:
        if each.case == case:
            yield each.key, each.is_replicate
