"""One version beside another: their times, their answers, their kernels."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from crossrt.analysis.bisection.kernel_changes import kernels_of
from crossrt.analysis.bisection.record import Kernels, Step, StepVerdict
from crossrt.harness.bisect.request import BisectRequest
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.locations import lock_file
from crossrt.harness.measure.duel.match import Arm
from crossrt.harness.measure.duel.prepare import check_unmeasured, prepare
from crossrt.harness.measure.duel.run import run_duel
from crossrt.harness.measure.profiling import profile_file
from crossrt.harness.process.case_worker import UnsupportedError
from crossrt.harness.process.lock import measuring_alone
from crossrt.harness.run.prepare import scratch_folder
from crossrt.reports.schema.records import Arm as ArmRecord
from crossrt.reports.schema.records import Distance, Duel
from crossrt.reports.statistics.metrics import latency_percentile
from crossrt.reports.text.progress import Display
from crossrt.reports.verdicts.duel import Judgement, Verdict, judge_duel
from crossrt.runtimes.kernels import Profile

PROFILES: Final = 7
"""Many short ones: a profiler tells means, and one stall rules the mean of its whole profile."""

PROFILED_CALLS: Final = 60
LONGER: Final = 3
"""How many times its budget a comparison gets that stays open."""


class InterruptedBisectionError(Exception):
    """The user interrupted a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two versions beside each other: what was measured, and the verdict of the A/B comparison."""

    step: Step
    verdict: Verdict


class Comparer:
    """Compares versions of one runtime on one case."""

    def __init__(self, request: BisectRequest, display: Display) -> None:
        self._request, self._display = request, display

    def check(self, against: str, version: str) -> None:
        """Looks at model, data and formats before any version is installed.

        Raises:
            CrossrtError: One of them cannot be used.
        """
        with scratch_folder() as folder:
            check_unmeasured(self._request.duel(against, version, self._request.margin, self._request.budget_s), folder)

    def times(self, against: str, version: str, margin: float) -> Compared:
        """Times two versions until their ratio is known well enough; for longer where it stays open.

        Raises:
            ArmFailedError: A version crashes on the file, or refuses it.
            InterruptedBisectionError: The user interrupted it.
        """
        found = self._timed(against, version, margin, self._request.budget_s)
        if found.verdict == "inconclusive":
            self._display.remark(f"  {version}: open after {self._request.budget_s:g} s: measured for longer")
            found = self._timed(against, version, margin, LONGER * self._request.budget_s)
        return found

    def _timed(self, against: str, version: str, margin: float, budget_s: float) -> Compared:
        settings = self._request.duel(against, version, margin, budget_s)
        duel = run_duel(settings, ["crossrt", *sys.argv[1:]], self._display)
        if duel.run.status == "interrupted" and duel.run.broken_off is None:
            raise InterruptedBisectionError
        judgement = judge_duel(duel)
        return Compared(step=_step(against, version, duel, judgement), verdict=judgement.verdict)

    def answers(self, against: str, version: str) -> Step:
        """How far the answers of two versions are apart; nothing is timed.

        Raises:
            ArmFailedError: A version crashes on the file, or refuses it.
        """
        with scratch_folder() as folder:
            settings = self._request.duel(against, version, self._request.margin, self._request.budget_s)
            match = prepare(settings, ["crossrt", *sys.argv[1:]], folder, self._display)
            distance = next(iter(match.state.distances), None)
        return _with_answers(Step(version=version, against=against, verdict="inconclusive"), distance)

    def kernels(self, before: str, after: str) -> Kernels:
        """What runs on both sides of a change; profiles of both take turns."""
        with scratch_folder() as folder:
            settings = self._request.duel(before, after, self._request.margin, self._request.budget_s)
            match = prepare(settings, ["crossrt", *sys.argv[1:]], folder, self._display)
            with measuring_alone(lock_file(), self._display):
                return self._profiles(match.arms)

    def _profiles(self, arms: tuple[Arm, Arm]) -> Kernels:
        self._display.phase("profiling both sides", PROFILES)
        found: list[tuple[Profile, ...]] = []
        for _ in range(PROFILES):
            try:
                profiles = [self._profiled(arm) for arm in arms]
            except (ChildFailedError, UnsupportedError) as failure:
                return Kernels(problem=f"not profiled: {failure}")
            known = tuple(each for each in profiles if each is not None)
            if len(known) < len(profiles):
                return Kernels(problem=f"{self._request.runtime.name} cannot tell which ones it runs")
            found.append(known)
            self._display.step()
        return kernels_of([pair[0] for pair in found], [pair[1] for pair in found])

    def _profiled(self, arm: Arm) -> Profile | None:
        timed = arm.prepared.timed()
        limits = limits_for(timed.artifact, self._request.run.limits)
        return profile_file(timed.artifact, timed.runtime, timed.options, PROFILED_CALLS, limits, arm.python)


def _step(against: str, version: str, duel: Duel, judgement: Judgement) -> Step:
    ratio = judgement.ratio
    is_known = math.isfinite(ratio.half)
    found = Step(
        version=version,
        against=against,
        verdict="inconclusive",
        ratio=math.exp(ratio.mean) if is_known else None,
        lower=math.exp(ratio.lower) if is_known else None,
        upper=math.exp(ratio.upper) if is_known else None,
        time_ns=_p50_ns(duel.b),
        against_ns=_p50_ns(duel.a),
        rounds=judgement.rounds,
    )
    return _with_answers(found, duel.distance if duel.answers_repeat else None)


def _p50_ns(arm: ArmRecord) -> float | None:
    found = latency_percentile(arm.result.rounds, 50)
    return None if found is None else found.value


def _with_answers(step: Step, distance: Distance | None) -> Step:
    if distance is None:
        return step
    return msgspec.structs.replace(step, agreement=distance.agreement, relative=distance.relative)


def side_by_time(verdict: Verdict, ends_ratio: float) -> StepVerdict:
    """On which side of the change a version is that was compared with the good end, within half of the change."""
    if verdict == "inconclusive":
        return "inconclusive"
    changed: Sequence[Verdict] = ("A faster",) if ends_ratio > 1 else ("B faster",)
    return "like bad" if verdict in changed else "like good"
