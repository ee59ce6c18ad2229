"""The verdict: a candidate on samples that the search never saw, and in fresh rounds."""

from __future__ import annotations

from typing import Final

from crossrt.analysis.search.result import Candidate, Confirmation, Loss, Speed
from crossrt.analysis.search.sentence import loss_text, speed_doubt
from crossrt.core.artifact import ModelArtifact
from crossrt.harness.search.builder import NotBuiltError
from crossrt.harness.search.ledger import Ledger
from crossrt.harness.search.scoring import Scorer, UnscoredError
from crossrt.harness.search.timing import CONFIRMING, Stopwatch
from crossrt.harness.search.trying import Trier
from crossrt.reports.text.progress import Display

MOST_LOOKS: Final = 2
"""Candidates that may be judged on the samples kept aside. Each look errs with a chance of 2.5%, both together with 5%
at most (Bonferroni); more looks would choose by those samples as well."""


_LEAST_TIMING_S: Final = 3.0


def least_s(aside: Scorer) -> float:
    """What confirming a candidate takes at least: its answers, and a few rounds."""
    return aside.seconds + 1.0 + _LEAST_TIMING_S


class Court:
    """Judges finalists one after the other until one keeps to the budget or the looks are spent."""

    def __init__(
        self, trier: Trier, aside: Scorer, watch: Stopwatch, ledger: Ledger, display: Display, timing_s: float
    ) -> None:
        self._trier, self._aside, self._watch = trier, aside, watch
        self._ledger, self._display, self._timing_s = ledger, display, timing_s

    def judge(self, *, most: int, untimed: bool = False) -> Confirmation | None:
        """The first finalist that passes, or None where none does.

        Args:
            most: New looks.
            untimed: Whether candidates that nobody timed may be confirmed, too, as long as there is time for it.
        """
        for _ in range(most):
            looked = {each.candidate for each in self._ledger.report.confirmations}
            left = [
                each
                for each in self._ledger.keeping.finalists(self._ledger.report.candidates, untimed=untimed)
                if each.name not in looked and self._trier.has_plan(each)
            ]
            if len(looked) >= MOST_LOOKS or not left:
                return None
            if left[0].speed is None and self._trier.left_s < least_s(self._aside):
                return None
            if looked:  # the first did not hold: now the one that is surest
                left.sort(key=self._ledger.keeping.sureness, reverse=True)
            found = self._look(left[0])
            self._ledger.confirm(found)
            if found.passes:
                self._ledger.keep(left[0], self._trier.file(left[0]))
                return found
        return None

    def _look(self, candidate: Candidate) -> Confirmation:
        self._display.phase("confirming", None)
        self._display.doing(candidate.name)
        try:
            artifact = self._trier.file(candidate)
            loss = self._aside.score(artifact)[0]
        except (NotBuiltError, UnscoredError) as error:
            return Confirmation(candidate=candidate.name, loss=None, speed=None, passes=False, reasons=(str(error),))
        speed = self._speed(artifact) if self._ledger.keeping.accuracy(loss) else None
        reasons = tuple(self._reasons(loss, speed))
        return Confirmation(candidate=candidate.name, loss=loss, speed=speed, passes=not reasons, reasons=reasons)

    def _speed(self, artifact: ModelArtifact) -> Speed | None:
        budget_s = max(_LEAST_TIMING_S, min(max(self._timing_s, 0.6 * self._trier.left_s), self._trier.left_s - 1.0))
        return self._watch.time([artifact], CONFIRMING, budget_s, self._display).get(artifact.id)

    def _reasons(self, loss: Loss, speed: Speed | None) -> list[str]:
        keeping, metric = self._ledger.keeping, self._ledger.report.metric
        if not keeping.accuracy(loss):
            return [
                f"it may lose up to {loss_text(loss.upper, metric)} of {metric.label} on the samples kept aside"
                f" ({loss_text(keeping.allowed, metric)} are allowed)"
            ]
        if speed is None:
            return ["it failed while it was timed"] if keeping.budget.min_speedup is not None else []
        if keeping.speed(speed):
            return []
        return [speed_doubt(speed, keeping)]
