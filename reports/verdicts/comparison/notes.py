"""What is said beside the findings of a comparison: what was not judged, what to know, how times were judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.intervals import trimmed_mean
from crossrt.reports.text.cells import counted
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis
from crossrt.reports.verdicts.comparison.times import FEWEST_RUNS, comparable_runs

FEWEST_ROUNDS: Final = 6
"""Rounds below which a reader is told that little can be seen."""


def incomparable(basis: Basis) -> Iterator[str]:
    """Why something is not judged: the fields that differ."""
    if basis.differences.times:
        yield f"times and memory are not judged: the reports differ in {_listed(basis.differences.times)}"
    if basis.differences.accuracy:
        yield f"accuracy is not judged: the reports differ in {_listed(basis.differences.accuracy)}"
    if not basis.pairing.pairs:
        yield "no case is in both reports"


def notes(basis: Basis) -> Iterator[str]:
    """What a reader must know beside the findings."""
    yield from notes_on_reports(basis)
    yield from _on_times(basis)


def notes_on_reports(basis: Basis) -> Iterator[str]:
    """What to know of two reports, whatever is compared."""
    for pair in basis.pairing.pairs:
        if pair.is_renamed:
            yield f"{pair.baseline.case} is now called {pair.current.case}: the same file in the same scenario"
    if basis.pairing.new:
        yield f"new, and not judged: {', '.join(result.case for result in basis.pairing.new)}"
    if basis.differences.noted:
        yield f"the reports differ in {_listed(basis.differences.noted)}"
    for report, name in ((basis.baseline, "baseline"), (basis.current, "current report")):
        if report.run.status == "interrupted":
            yield f"the {name} was interrupted: it has fewer rounds"
    if basis.question.is_paired and not basis.shares_rounds:
        yield "the reports share no rounds, so --paired changes nothing"
    cases = [pair.current.case for pair in basis.pairing.pairs]
    for rule in basis.question.rules:
        if rule.cases != "*" and not any(case_matches(rule.cases, case) for case in cases):
            yield f"the margin for {rule.cases!r} fits no case"


def _on_times(basis: Basis) -> Iterator[str]:
    if basis.differences.times or not basis.ok:
        return
    rounds = min(len(each.rounds) for pair in basis.ok for each in (pair.baseline, pair.current))
    if rounds < FEWEST_ROUNDS:
        yield (
            f"a report has {counted(rounds, 'round')}: too few to see much; compare runs of {FEWEST_ROUNDS} or"
            " more, as crossrt bench makes without --quick"
        )
    if basis.shares_rounds:
        yield "the reports share their rounds: times are compared within them"
    elif (scale := basis.scales.get("latency_p50_ns")) is not None and scale.is_anchored:
        baseline, current = (trimmed_mean(list(logs.values())) for logs in basis.anchors)
        yield (
            f"the anchor, the same work in every run, took {math.exp(current - baseline):.3f} times as long in the"
            " current report: latencies are judged relative to it"
        )
    known = len(comparable_runs(basis.question.history, basis.baseline, basis.current))
    if basis.question.history and known < FEWEST_RUNS:
        yield f"the history holds {known} other comparable runs, {FEWEST_RUNS} are needed: it was not used"


def method(basis: Basis) -> Iterator[str]:
    """How times are judged."""
    judged = len(basis.judged_times())
    if not judged:
        return
    yield (
        "quiet latency: in each round the 10th percentile over blocks of their median call, over rounds the mean"
        " without the slowest 40% and the fastest 10%"
    )
    for name, scale in basis.scales.items():
        subject = "ratio to the anchor" if scale.is_anchored else "time itself"
        yield f"{name}: {subject} ({scale.reason}), allowing {scale.between:.1%} of spread between runs"
    yield f"intervals hold for all {judged} times at once, with a chance of error of {ALPHA:.0%} on each side"


def subject(report: Report) -> str:
    """A run in words: its id, a single case, its runtimes."""
    used = dict.fromkeys((result.runtime, result.runtime_version) for result in report.results)
    runtimes = [f"{name} {version}" for name, version in used if version is not None]
    case = f", {report.results[0].case}" if len(report.results) == 1 else ""
    return f"run {report.run.id}{case}, {', '.join(runtimes) or 'no runtime'}"


def _listed(differences: Sequence[object]) -> str:
    return "; ".join(map(str, differences))
