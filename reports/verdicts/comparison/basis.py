"""What a comparison rests on: both reports, the cases they share, and what may be judged of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from crossrt.core.metric import Judgement, MetricDefinition
from crossrt.reports.schema.records import Artifact, Metric, Report, Result
from crossrt.reports.statistics.definitions import ANSWERS
from crossrt.reports.text.labels import case_labels, reference_name
from crossrt.reports.verdicts.comparison.comparable import Comparability, comparability
from crossrt.reports.verdicts.comparison.pairing import Pair, Pairing, pair_cases
from crossrt.reports.verdicts.comparison.rules import Rule, check_rules, definitions_of, margin_for
from crossrt.reports.verdicts.comparison.times import RoundLogs, Scale, choose_scale, reference_logs

AGREEMENT: Final = "agreement"
ALPHA: Final = 0.01
"""The chance that any time of a comparison of equals is called slower; divided among all times that are judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of two reports.

    Attributes:
        rules: Margins that overrule those of the metrics; the last that fits counts.
        only: Patterns of the cases to judge; empty for all.
        history: Earlier reports, from which the spread between runs is estimated.
        is_paired: Rounds that both reports share are expected; they are used where they exist in any case.
    """

    rules: Sequence[Rule] = ()
    only: Sequence[str] = ()
    history: Sequence[Report] = ()
    is_paired: bool = False


class Basis:
    """Two reports, paired.

    Attributes:
        baseline: The report that is compared with.
        current: The report that is judged.
        question: What is asked.
        definitions: Metrics of both reports by name.
        differences: Why something cannot be compared.
        shares_rounds: True if the two were measured side by side.
        pairing: Which case is which.
        has_common_cases: Whether any case is in both reports, chosen or not.
        ok: Pairs that were measured in both.
        names: Short names of all cases, by id.
        references: Times of the reference workload in each.
        scales: How the times of a metric are compared, for those asked so far.

    Raises:
        ReportError: A rule names no metric that can be judged.
    """

    def __init__(self, baseline: Report, current: Report, question: Question) -> None:
        self.baseline, self.current, self.question = baseline, current, question
        self.definitions: Mapping[str, MetricDefinition] = _with_answers(baseline, current)
        check_rules(question.rules, self.definitions.values())
        self.differences: Comparability = comparability(baseline, current)
        self.shares_rounds = baseline.run.id == current.run.id
        self.pairing: Pairing = pair_cases(baseline, current, question.only, is_duel=self.shares_rounds)
        everything = pair_cases(baseline, current, is_duel=self.shares_rounds) if question.only else self.pairing
        self.has_common_cases = bool(everything.pairs)
        self.ok = [pair for pair in self.pairing.pairs if pair.baseline.status == pair.current.status == "ok"]
        shown = {each.case: each for each in (*baseline.results, *current.results)}
        self.names: Mapping[str, str] = case_labels(list(shown.values()))
        self.references: tuple[RoundLogs, RoundLogs] = reference_logs(baseline), reference_logs(current)
        self.scales: dict[str, Scale] = {}
        self._values = [{(each.case, each.name): each for each in report.metrics} for report in (baseline, current)]
        self._files = [{each.id: each for each in report.artifacts} for report in (baseline, current)]

    def judged(self, *kinds: Judgement) -> list[tuple[Pair, MetricDefinition, float]]:
        """Every pair and metric of some kinds that has a margin.

        Except for `answers`, and the agreement of the reference with itself, whatever became of it.
        """
        return [
            (pair, definition, margin)
            for pair in self.ok
            for definition in self.definitions.values()
            if definition.judged_by in kinds
            and definition.name != ANSWERS.name
            and not (definition.name == AGREEMENT and self._is_reference(pair))
            and (margin := margin_for(self.question.rules, pair.current, definition)) is not None
        ]

    def _is_reference(self, pair: Pair) -> bool:
        """True where both reports compare with the answers of this very case."""
        return all(
            report.reference == reference_name(result.variant, result.runtime)
            for report, result in ((self.baseline, pair.baseline), (self.current, pair.current))
        )

    def judged_times(self) -> list[tuple[Pair, MetricDefinition, float]]:
        """Every pair and time that is judged; nothing where the reports are not comparable."""
        return [] if self.differences.times else self.judged("rounds")

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

    def files(self, pair: Pair) -> tuple[Artifact | None, Artifact | None]:
        """The model file in each report, where it is known."""
        return self._files[0].get(pair.baseline.artifact), self._files[1].get(pair.current.artifact)

    def _value(self, which: int, result: Result, name: str) -> Metric | None:
        return self._values[which].get((result.case, name))


def _with_answers(baseline: Report, current: Report) -> Mapping[str, MetricDefinition]:
    """What is allowed of changed answers is by default what is allowed of the agreement with the reference."""
    found = dict(definitions_of(baseline.definitions, current.definitions))
    agreement = found.get(AGREEMENT)
    margin = ANSWERS.margin if agreement is None or agreement.margin is None else agreement.margin
    return {**found, ANSWERS.name: msgspec.structs.replace(ANSWERS, margin=margin)}
