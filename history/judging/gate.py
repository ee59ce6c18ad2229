"""A new report judged by earlier runs, whose spread says how far runs of the same thing lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from crossrt.core.metric import MetricDefinition
from crossrt.history.judging.levels import Level
from crossrt.history.judging.past import Past, baseline_of
from crossrt.history.judging.prediction import allowed_interval, predicted_interval
from crossrt.history.judging.spread import Spread, spread_of
from crossrt.history.store.entries import Entry
from crossrt.reports.statistics.definitions import QUIET
from crossrt.reports.statistics.intervals import LogInterval
from crossrt.reports.text.cells import counted
from crossrt.reports.verdicts.comparison.answers import answer_findings
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis, Question
from crossrt.reports.verdicts.comparison.compare import exact_findings, status_findings
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding
from crossrt.reports.verdicts.comparison.judging import time_finding
from crossrt.reports.verdicts.comparison.notes import (
    FEWEST_ROUNDS,
    QUIET_NOTE,
    cautions,
    few_rounds,
    incomparable,
    notes_on_reports,
    subject,
    workload_note,
)
from crossrt.reports.verdicts.comparison.pairing import Pair
from crossrt.reports.verdicts.comparison.rules import Rule
from crossrt.reports.verdicts.comparison.times import FEWEST_RUNS, Change


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """A time that is judged: where it was, where it is."""

    pair: Pair
    metric: MetricDefinition
    margin: float
    current: Level
    earlier: tuple[Level, ...]


class Gate:
    """Judges one report.

    Attributes:
        basis: The report, and what its exact metrics are compared with.
        spreads: How the times of each metric are compared.
    """

    def __init__(self, current: Entry, past: Past, newest: Entry, rules: Sequence[Rule], only: Sequence[str]) -> None:
        self._current, self._past, self._newest = current, past, newest
        baseline, self._lent = baseline_of(past.comparable or (newest,), current.report)
        self.basis = Basis(baseline, current.report, Question(rules=rules, only=only))
        self._timed = list(self._find_times())
        self.spreads: dict[str, Spread] = {
            name: spread_of(name, [(each.current, each.earlier) for each in self._timed if each.metric.name == name])
            for name in dict.fromkeys(each.metric.name for each in self._timed)
        }

    def comparison(self) -> Comparison:
        """The verdicts, in the form of those of two reports."""
        basis = self.basis
        findings = [
            *status_findings(basis),
            *self._time_findings(),
            *answer_findings(basis),
            *exact_findings(basis),
        ]
        return Comparison(
            baseline=self._newest.report.run.id,
            current=self._current.report.run.id,
            subjects=(self._past_subject(), subject(self._current.report)),
            findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
            notes=(*notes_on_reports(basis), *self._notes(), *self._undecided(findings)),
            method=tuple(self._method()),
            incomparable=tuple(incomparable(basis)),
            cautions=tuple(cautions(basis)),
        )

    def _find_times(self) -> Iterator[_Timed]:
        for pair, metric, margin in self.basis.judged_times():
            current = self._current.levels.get((pair.current.case, metric.name))
            key = (pair.baseline.case, metric.name)
            earlier = tuple(run.levels[key] for run in self._past.comparable if key in run.levels)
            if current is not None and earlier:
                yield _Timed(pair=pair, metric=metric, margin=margin, current=current, earlier=earlier)

    def _time_findings(self) -> Iterator[Finding]:
        judged = len(self.basis.judged_times())
        for each in self._timed:
            yield time_finding(self.basis, each.pair, each.metric, each.margin, self._change(each, ALPHA / judged))

    def _change(self, timed: _Timed, alpha: float) -> Change:
        """Beside the interval stand the metric as other tables show it, and its geometric mean over earlier runs."""
        known = [
            metric.value
            for run in self._past.comparable
            for metric in run.report.metrics
            if (metric.case, metric.name) == (timed.pair.baseline.case, timed.metric.name)
        ]
        after = self.basis.after(timed.pair, timed.metric.name)
        return Change(
            interval=self._interval(timed, alpha),
            baseline=math.exp(fmean(map(math.log, known) if known else (level.plain for level in timed.earlier))),
            current=math.exp(timed.current.plain) if after is None else after.value,
        )

    def _interval(self, timed: _Timed, alpha: float) -> LogInterval:
        spread = self.spreads[timed.metric.name]
        if len(timed.earlier) >= FEWEST_RUNS:
            return predicted_interval(
                timed.current,
                timed.earlier,
                alpha / spread.choices,
                is_relative=spread.is_relative,
                moderation=spread.moderation,
            )
        return allowed_interval(timed.current, timed.earlier, spread.allowance, alpha, is_relative=spread.is_relative)

    def _past_subject(self) -> str:
        runs = self._past.comparable
        if len(runs) < 2:
            return subject(self._newest.report)
        return f"{len(runs)} runs, {runs[-1].report.run.id} to {runs[0].report.run.id}; sizes and answers: the newest"

    def _notes(self) -> Iterator[str]:
        if self._lent:
            yield f"not in the newest run, and compared with older ones: {', '.join(self._lent)}"
        if not self._timed:
            return
        rounds = min(each.current.rounds for each in self._timed)
        if rounds < FEWEST_ROUNDS:
            yield few_rounds("report", rounds, self._current.report)
        few = [each for each in self._timed if len(each.earlier) < FEWEST_RUNS]
        if few:
            yield (
                f"{counted(len(few), 'time')} of {len(self._timed)} have fewer than {FEWEST_RUNS} comparable runs in"
                " the history: the built-in allowance stands for the spread between runs"
            )
        yield from self._workload_note()

    def _undecided(self, findings: Sequence[Finding]) -> Iterator[str]:
        """What would decide more: other runs, where there are any."""
        times = {each.metric.name for each in self._timed}
        undecided = sum(each.verdict == "inconclusive" and each.metric in times for each in findings)
        if undecided and self._past.older:
            runs = len(self._past.comparable)
            yield (
                f"{counted(undecided, 'time')} could not be decided by {counted(runs, 'run')}; the history holds"
                f" {self._past.older} more: --last {runs + min(runs, self._past.older)} narrows the intervals"
            )

    def _workload_note(self) -> Iterator[str]:
        spread = self.spreads.get(QUIET)
        known = [run.workload for run in self._past.comparable if run.workload is not None]
        if spread is not None and spread.is_relative and known and self._current.workload is not None:
            ratio = math.exp(self._current.workload - fmean(known))
            yield workload_note(ratio, "than in the earlier runs")
        if any(each.metric.name == QUIET for each in self._timed):
            yield QUIET_NOTE

    def _method(self) -> Iterator[str]:
        if not self._timed:
            return
        yield (
            "times: trimmed means over rounds of logarithms, as crossrt compare takes them; the new run's is compared"
            " with the interval in which the spread of the earlier runs predicts it (Student's t)"
        )
        if any(spread.moderation for spread in self.spreads.values()):
            yield "the spread of a case is its own, or that of all cases together where its own is less (moderated t)"
        for metric, spread in self.spreads.items():
            scale = "ratio to the reference workload" if spread.is_relative else "time itself"
            yield f"{metric}: {scale} ({spread.reason})"
            if any(len(each.earlier) < FEWEST_RUNS for each in self._timed if each.metric.name == metric):
                yield f"{metric}: {spread.allowance:.1%} of spread between runs is allowed where too few show it"
        judged = len(self.basis.judged_times())
        yield f"intervals hold for all {judged} times at once, with a chance of error of {ALPHA:.0%} on each side"


def judge_by_past(current: Entry, past: Past, rules: Sequence[Rule], only: Sequence[str] = ()) -> Comparison:
    """Judges a report by the runs before it.

    Args:
        current: The report.
        past: What the history holds before it.
        rules: Margins; the last that fits counts.
        only: Patterns of the cases to judge; empty for all.
    """
    if past.newest is None:
        return Comparison(
            baseline="none",
            current=current.report.run.id,
            subjects=("no run", subject(current.report)),
            findings=(),
            notes=(),
            method=(),
            incomparable=("the history holds no complete run before this one",),
        )
    return Gate(current, past, past.newest, rules, only).comparison()
