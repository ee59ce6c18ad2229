"""Candidates and the float file timed in the same rounds."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from crossrt.analysis.search.result import Speed
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.assess import Assessor
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.effort import Cost, calls_for, fitted
from crossrt.harness.measure.participant import Participant, Timed
from crossrt.harness.measure.rounds import Measurements, RoundRunner, RoundSettings
from crossrt.harness.measure.settings import BenchSettings, Effort
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.search.scoring import Scorer, case_of
from crossrt.reports.statistics.contrasts import calls_of
from crossrt.reports.statistics.intervals import pooled_interval
from crossrt.reports.statistics.levels import level_contrasts
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for

ALPHA: Final = 0.025
EFFORT: Final = Effort(rounds=8, blocks=12, block_target_ns=2_000_000, warmup_ns=500_000, sessions=3)
"""Each process loads a file several times: its blocks draw several memory layouts."""

CONFIRMING: Final = Effort(rounds=10, blocks=12, block_target_ns=2_000_000, warmup_ns=500_000, sessions=3)
LARGEST_COPIED_BYTES: Final = 32 * 2**20
_FLOAT: Final = "float"


class Stopwatch:
    """Times files beside the float file, on samples of one part."""

    def __init__(self, original: ModelArtifact, part: Scorer, settings: BenchSettings, batch_size: int) -> None:
        """Tries the float file out.

        Raises:
            HarnessError: It does not run at this batch size.
        """
        self._original, self._part, self._settings = original, part, settings
        self._scenario = Scenario(batch_size=batch_size, threads=settings.threads)
        case = case_of(original, self._scenario)
        artifacts, feedings = {case.artifact_id: original}, {case.artifact_id: part.feeding(original)}
        found = Assessor(artifacts, feedings, part.data, settings).try_out(case)
        if found is None:
            raise HarnessError(f"{original.path.name} does not run with {batch_size} samples a call: see --batch")
        self._call_ns = found
        self._seed = settings.seed

    def time(
        self, artifacts: Sequence[ModelArtifact], effort: Effort, budget_s: float, display: Display
    ) -> dict[str, Speed]:
        """Speed-ups by id of the file; one that fails in the rounds has none.

        Args:
            artifacts: The files.
            effort: How long is measured at most.
            budget_s: How long it may take.
            display: Follows.
        """
        keyed = {_FLOAT: self._original} | {each.id: each for each in artifacts}
        people = [self._participant(f"{key} {copy}", each) for key, each in keyed.items() for copy in (1, 2)]
        if max(each.size_bytes for each in keyed.values()) > LARGEST_COPIED_BYTES:
            effort = dataclasses.replace(effort, sessions=1)
        cost = Cost(call_ns=self._call_ns, load_ns=20_000_000 + 2 * self._call_ns)
        effort = fitted(effort, [(each, cost) for each in people], budget_s)
        measurements = Measurements()
        self._seed += 1
        how = RoundSettings(
            effort=effort, limits=self._settings.limits, seed=self._seed, deadline=time.monotonic() + budget_s
        )
        with measuring_alone(lock_file(), display):
            RoundRunner(people, how, measurements).run(display)
        return {each.id: found for each in artifacts if (found := _speed(measurements, each.id)) is not None}

    def _participant(self, key: str, artifact: ModelArtifact) -> Participant:
        feeding = self._part.feeding(artifact)
        subject = Timed(
            runtime=shipped_runtime_for(artifact.format),
            artifact=artifact,
            options=self._scenario.session_options(feeding.dimensions),
            inputs=feeding.inputs(self._part.data.first()),
        )
        return Participant(
            key=key,
            subject=subject,
            threads=self._scenario.threads,
            batch_size=self._scenario.batch_size,
            calls=calls_for(self._call_ns, EFFORT.block_target_ns),
        )


def _speed(measurements: Measurements, key: str) -> Speed | None:
    """The speed-up from two processes a round on each side; None with fewer than two rounds."""
    sides = [[measurements.rounds.get(f"{name} {copy}", []) for copy in (1, 2)] for name in (key, _FLOAT)]
    if any(len(rounds) < 2 for side in sides for rounds in side):
        return None
    found = level_contrasts(sides[1], sides[0])
    if len(found) < 2:
        return None
    ratio = pooled_interval(found, ALPHA)
    calls = [call for rounds in sides[1] for each in rounds for call in calls_of(each)]
    return Speed(
        ratio=math.exp(ratio.mean),
        lower=math.exp(ratio.lower),
        upper=math.exp(ratio.upper),
        rounds=len(found),
        float_ns=float(median(calls)),
    )
