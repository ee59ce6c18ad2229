"""What a comparison rests on: both reports, the cases they share, and what may be judged of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.verdicts.comparison.comparable import Comparability, comparability
from crossrt.reports.verdicts.comparison.pairing import Pair, Pairing, pair_cases
from crossrt.reports.verdicts.comparison.rules import DEFAULT_RULES, METRICS, Judged, Rule, margin_for
from crossrt.reports.verdicts.comparison.times import RoundLogs, Scale, anchor_logs, choose_scale

ALPHA: Final = 0.01
"""The chance that any time of a comparison of equals is called slower; divided among all times that are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of two reports.

    Attributes:
        rules: Margins; the last that fits counts.
        only: Patterns of the cases to judge; empty for all.
        history: Earlier reports, from which the spread between runs is estimated.
        is_paired: Rounds that both reports share are expected; they are used where they exist in any case.
    """

    rules: Sequence[Rule] = DEFAULT_RULES
    only: Sequence[str] = ()
    history: Sequence[Report] = ()
    is_paired: bool = False


class Basis:
    """Two reports, paired.

    Attributes:
        baseline: The report that is compared with.
        current: The report that is judged.
        question: What is asked.
        differences: Why something cannot be compared.
        shares_rounds: True if the two were measured side by side.
        pairing: Which case is which.
        ok: Pairs that were measured in both.
        anchors: The anchor's times in each.
        scales: How the times of a metric are compared, for those asked so far.
    """

    def __init__(self, baseline: Report, current: Report, question: Question) -> None:
        self.baseline, self.current, self.question = baseline, current, question
        self.differences: Comparability = comparability(baseline, current)
        self.shares_rounds = baseline.run.id == current.run.id
        self.pairing: Pairing = pair_cases(baseline, current, question.only, is_duel=self.shares_rounds)
        self.ok = [pair for pair in self.pairing.pairs if pair.baseline.status == pair.current.status == "ok"]
        self.anchors: tuple[RoundLogs, RoundLogs] = anchor_logs(baseline), anchor_logs(current)
        self.scales: dict[str, Scale] = {}
        self._values = [{(each.case, each.name): each for each in report.metrics} for report in (baseline, current)]

    def judged(self, kind: str) -> list[tuple[Pair, str, Judged, float]]:
        """Every pair and metric of a kind that has a margin."""
        return [
            (pair, name, how, margin)
            for pair in self.ok
            for name, how in METRICS.items()
            if how.kind == kind and (margin := margin_for(self.question.rules, pair.current.case, name)) is not None
        ]

    def judged_times(self) -> list[tuple[Pair, str, Judged, float]]:
        """Every pair and time that is judged; nothing where the reports are not comparable."""
        return [] if self.differences.times else self.judged("time")

    def scale(self, metric: str) -> Scale:
        """How the times of a metric are compared, the same for all cases."""
        if metric not in self.scales:
            self.scales[metric] = choose_scale(metric, self.ok, self.baseline, self.current, self.question.history)
        return self.scales[metric]

    def before(self, pair: Pair, name: str) -> Metric | None:
        """The metric in the baseline."""
        return self._value(0, pair.baseline, name)

    def after(self, pair: Pair, name: str) -> Metric | None:
        """The metric in the current report."""
        return self._value(1, pair.current, name)

    def _value(self, which: int, result: Result, name: str) -> Metric | None:
        return self._values[which].get((result.case, name))
