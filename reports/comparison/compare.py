"""The comparison itself: pairs cases, judges every metric that has a margin, and collects what it found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reports.cells import counted
from reports.comparison.answers import flips
from reports.comparison.comparable import Comparability, comparability
from reports.comparison.findings import Comparison, Finding, Verdict
from reports.comparison.pairing import Pair, Pairing, pair_cases
from reports.comparison.rules import DEFAULT_RULES, METRICS, Judged, Rule, margin_for
from reports.comparison.times import (
    FEWEST_RUNS,
    Change,
    Scale,
    anchor_logs,
    choose_scale,
    comparable_runs,
    paired_change,
    unpaired_change,
)
from reports.intervals import trimmed_mean
from reports.patterns import case_matches
from reports.schema import Control, Metric, Report, Result

ALPHA: Final = 0.01
"""The chance that any time of a comparison of equals is called slower; divided among all times that are judged."""

FEWEST_ROUNDS: Final = 6
"""Rounds below which a reader is told that little can be seen."""


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


def compare_reports(baseline: Report, current: Report, question: Question) -> Comparison:
    """Judges the current report against the baseline."""
    return _Comparing(baseline, current, question).run()


class _Comparing:
    """One comparison while it is made."""

    def __init__(self, baseline: Report, current: Report, question: Question) -> None:
        self._baseline, self._current, self._question = baseline, current, question
        self._differences: Comparability = comparability(baseline, current)
        self._shares_rounds = baseline.run.id == current.run.id
        self._pairing: Pairing = pair_cases(baseline, current, question.only, is_duel=self._shares_rounds)
        self._ok = [pair for pair in self._pairing.pairs if pair.baseline.status == pair.current.status == "ok"]
        self._anchors = anchor_logs(baseline), anchor_logs(current)
        self._values = [{(each.case, each.name): each for each in report.metrics} for report in (baseline, current)]
        self._scales: dict[str, Scale] = {}

    def run(self) -> Comparison:
        """All findings, worst first."""
        findings = [*self._status(), *self._times(), *self._answers(), *self._plain()]
        return Comparison(
            baseline=self._baseline.run.id,
            current=self._current.run.id,
            subjects=(_subject(self._baseline), _subject(self._current)),
            findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
            notes=tuple(self._notes()),
            method=tuple(self._method()),
            incomparable=tuple(self._incomparable()),
        )

    def _status(self) -> Iterator[Finding]:
        """Cases that vanished, failed, or work again."""
        for result in self._pairing.vanished:
            yield _status_finding(result, "worse", "vanished", "is in the baseline and not in the current report")
        for pair in self._pairing.pairs:
            before, after = pair.baseline.status, pair.current.status
            if before == "ok" and after != "ok":
                yield _status_finding(pair.current, "worse", after, pair.current.reason or "no reason is known")
            elif before != "ok" and after == "ok":
                yield _status_finding(pair.current, "better", "works", f"was {before}: {pair.baseline.reason}")

    def _judged(self, kind: str) -> list[tuple[Pair, str, Judged, float]]:
        """Every pair and metric of a kind that has a margin."""
        return [
            (pair, name, how, margin)
            for pair in self._ok
            for name, how in METRICS.items()
            if how.kind == kind and (margin := margin_for(self._question.rules, pair.current.case, name)) is not None
        ]

    def _times(self) -> Iterator[Finding]:
        if self._differences.times:
            return
        judged = self._judged("time")
        alpha = ALPHA / max(1, len(judged))
        for pair, name, how, margin in judged:
            change = self._change(pair, name, alpha)
            if change is not None:
                yield _time_finding(pair, name, how, margin, change)

    def _change(self, pair: Pair, name: str, alpha: float) -> Change | None:
        if self._shares_rounds:
            return paired_change(pair, name, self._twins(pair), alpha)
        if name not in self._scales:
            self._scales[name] = choose_scale(name, self._ok, self._baseline, self._current, self._question.history)
        return unpaired_change(pair, name, self._scales[name], self._anchors, alpha)

    def _twins(self, pair: Pair) -> tuple[Control, ...]:
        """Second processes of a case, where both reports have them."""
        found = [
            each
            for report, result in ((self._baseline, pair.baseline), (self._current, pair.current))
            for each in report.controls
            if each.kind == "twin" and each.of == result.case
        ]
        return tuple(found) if len(found) == 2 else ()

    def _answers(self) -> Iterator[Finding]:
        if self._differences.accuracy:
            return
        for pair, name, how, margin in self._judged("digits"):
            if pair.baseline.accuracy is None or pair.current.accuracy is None:
                continue
            found = flips(pair.baseline.accuracy, pair.current.accuracy, ALPHA)
            if found is None:
                yield from self._plain_finding(pair, name, how, margin)
                continue
            verdict = _verdict(-found.upper, -found.lower, margin, margin)
            yield self._finding(
                pair,
                name,
                how,
                verdict,
                margin=margin,
                change=found.change,
                lower=found.lower,
                upper=found.upper,
                detail=f"{found.broken} digits broken, {found.fixed} fixed; exact McNemar p = {found.p_value:.2g}",
            )

    def _plain(self) -> Iterator[Finding]:
        for pair, name, how, margin in (*self._judged("ratio"), *self._judged("share")):
            needs_digits = how.kind == "share" or name == "max_abs_error"
            is_time_like = name == "peak_memory_bytes"
            if not (needs_digits and self._differences.accuracy) and not (is_time_like and self._differences.times):
                yield from self._plain_finding(pair, name, how, margin)

    def _plain_finding(self, pair: Pair, name: str, how: Judged, margin: float) -> Iterator[Finding]:
        before, after = self._metric(0, pair.baseline, name), self._metric(1, pair.current, name)
        if before is None or after is None:
            return
        difference = after.value - before.value
        change = difference if how.kind in ("share", "digits") or not before.value else difference / before.value
        worsening = change if after.direction == "smaller_is_better" else -change
        tolerance = 1e-12
        yield self._finding(
            pair,
            name,
            how,
            "worse" if worsening > margin + tolerance else "better" if -worsening > margin + tolerance else "same",
            margin=margin,
            change=change,
        )

    def _metric(self, which: int, result: Result, name: str) -> Metric | None:
        return self._values[which].get((result.case, name))

    def _finding(
        self,
        pair: Pair,
        name: str,
        how: Judged,
        verdict: Verdict,
        *,
        margin: float,
        change: float,
        lower: float | None = None,
        upper: float | None = None,
        detail: str | None = None,
    ) -> Finding:
        before, after = self._metric(0, pair.baseline, name), self._metric(1, pair.current, name)
        return Finding(
            case=pair.current.case,
            metric=name,
            verdict=verdict,
            word=_word(how, verdict),
            is_regression=verdict == "worse",
            baseline=before.value if before else None,
            current=after.value if after else None,
            unit=after.unit if after else None,
            change=change,
            lower=lower,
            upper=upper,
            margin=margin,
            detail=detail,
        )

    def _incomparable(self) -> Iterator[str]:
        if self._differences.times:
            yield f"times and memory are not judged: the reports differ in {_listed(self._differences.times)}"
        if self._differences.accuracy:
            yield f"accuracy is not judged: the reports differ in {_listed(self._differences.accuracy)}"
        if not self._pairing.pairs:
            yield "no case is in both reports"

    def _notes(self) -> Iterator[str]:
        for pair in self._pairing.pairs:
            if pair.is_renamed:
                yield f"{pair.baseline.case} is now called {pair.current.case}: the same file in the same scenario"
        if self._pairing.new:
            yield f"new, and not judged: {', '.join(result.case for result in self._pairing.new)}"
        if self._differences.noted:
            yield f"the reports differ in {_listed(self._differences.noted)}"
        for report, name in ((self._baseline, "baseline"), (self._current, "current report")):
            if report.run.status == "interrupted":
                yield f"the {name} was interrupted: it has fewer rounds"
        if self._question.is_paired and not self._shares_rounds:
            yield "the reports share no rounds, so --paired changes nothing"
        cases = [pair.current.case for pair in self._pairing.pairs]
        for rule in self._question.rules:
            if rule.cases != "*" and not any(case_matches(rule.cases, case) for case in cases):
                yield f"the margin for {rule.cases!r} fits no case"
        yield from self._on_times()

    def _on_times(self) -> Iterator[str]:
        if self._differences.times or not self._ok:
            return
        rounds = min(len(each.rounds) for pair in self._ok for each in (pair.baseline, pair.current))
        if rounds < FEWEST_ROUNDS:
            yield (
                f"a report has {counted(rounds, 'round')}: too few to see much; compare runs of {FEWEST_ROUNDS} or"
                " more, as crossrt bench makes without --quick"
            )
        if self._shares_rounds:
            yield "the reports share their rounds: times are compared within them"
        elif (scale := self._scales.get("latency_p50_ns")) is not None and scale.is_anchored:
            baseline, current = (trimmed_mean(list(logs.values())) for logs in self._anchors)
            yield (
                f"the anchor, the same work in every run, took {math.exp(current - baseline):.3f} times as long in the"
                " current report: latencies are judged relative to it"
            )
        known = len(comparable_runs(self._question.history, self._baseline, self._current))
        if self._question.history and known < FEWEST_RUNS:
            yield f"the history holds {known} other comparable runs, {FEWEST_RUNS} are needed: it was not used"

    def _method(self) -> Iterator[str]:
        judged = 0 if self._differences.times else len(self._judged("time"))
        if not judged:
            return
        yield (
            "quiet latency: in each round the 10th percentile over blocks of their median call, over rounds the mean"
            " without the slowest 40% and the fastest 10%"
        )
        for name, scale in self._scales.items():
            subject = "ratio to the anchor" if scale.is_anchored else "time itself"
            yield f"{name}: {subject} ({scale.reason}), allowing {scale.between:.1%} of spread between runs"
        yield f"intervals hold for all {judged} times at once, with a chance of error of {ALPHA:.0%} on each side"


def _subject(report: Report) -> str:
    used = dict.fromkeys((result.runtime, result.runtime_version) for result in report.results)
    runtimes = [f"{name} {version}" for name, version in used if version is not None]
    case = f", {report.results[0].case}" if len(report.results) == 1 else ""
    return f"run {report.run.id}{case}, {', '.join(runtimes) or 'no runtime'}"


def _status_finding(result: Result, verdict: Verdict, word: str, detail: str) -> Finding:
    return Finding(
        case=result.case, metric="status", verdict=verdict, word=word, is_regression=verdict == "worse", detail=detail
    )


def _time_finding(pair: Pair, name: str, how: Judged, margin: float, change: Change) -> Finding:
    interval = change.interval
    bound = math.log1p(margin)
    verdict = _verdict(interval.lower, interval.upper, bound, bound)
    is_finite = math.isfinite(interval.half)
    return Finding(
        case=pair.current.case,
        metric=name,
        verdict=verdict,
        word=f"not {how.worse}" if verdict == "same" and interval.lower < -bound else _word(how, verdict),
        is_regression=verdict == "worse",
        baseline=change.baseline,
        current=change.current,
        unit="ns",
        change=math.expm1(interval.mean),
        lower=math.expm1(interval.lower) if is_finite else None,
        upper=math.expm1(interval.upper) if is_finite else None,
        margin=margin,
        detail=None if is_finite else "a single round has no interval",
    )


def _verdict(lower: float, upper: float, worse: float, better: float) -> Verdict:
    """Four values, for a change of which more is worse; what may be better and is not worse counts as the same."""
    if lower > worse:
        return "worse"
    if upper < -better:
        return "better"
    return "same" if upper <= worse else "inconclusive"


def _word(how: Judged, verdict: Verdict) -> str:
    return {"worse": how.worse, "better": how.better}.get(verdict, verdict)


def _listed(differences: Sequence[object]) -> str:
    return "; ".join(map(str, differences))
