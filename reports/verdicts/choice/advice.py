"""The variant to ship within a stated budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Scenario
from crossrt.reports.text.cells import counted
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.choice.pareto import p50
from crossrt.reports.verdicts.choice.relations import ALPHA, Relating
from crossrt.reports.verdicts.comparison.answers import Flips, flips

MOST_NAMED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is allowed.

    Attributes:
        drop: Top-1 that may be lost against the baseline, as a share of the digits.
        size_bytes: Largest file, or None.
        only: Patterns of the cases that come into question; empty for all.
        batch_size: Digits per call, or None for the smallest in the report.
    """

    drop: float
    size_bytes: int | None = None
    only: Sequence[str] = ()
    batch_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A case that comes into question.

    Attributes:
        result: The case.
        change: Its top-1 against the baseline's, digit by digit.
        problem: What it breaks of the budget, or None.
    """

    result: Result
    change: Flips
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to ship.

    Attributes:
        baseline: What accuracy is held against.
        chosen: The fastest within the budget; among those that cannot be told from it, the smallest file.
        tied: Others that cannot be told from the fastest.
        candidates: All that came into question, fastest first.
        scenario: Where latency was measured.
    """

    baseline: Result
    chosen: Candidate | None
    tied: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    scenario: Scenario


def advise(report: Report, budget: Budget) -> Advice:
    """Names one case.

    Raises:
        ReportError: No case fits the patterns, the batch size is not there, or nothing says which digits were wrong.
    """
    relating = Relating(report)
    measured = [result for result in report.results if result.status == "ok" and result.rounds]
    scenario = _scenario(measured, budget)
    here = [result for result in measured if scenario_of(result) == scenario]
    baseline = _baseline(report, here)
    ordered = sorted(here, key=lambda result: (p50(relating.look, result), result.case))
    candidates = tuple(
        _candidate(relating, result, baseline, budget)
        for result in ordered
        if not budget.only or any(case_matches(pattern, result.case) for pattern in budget.only)
    )
    if not candidates:
        raise ReportError(f"--only {' '.join(budget.only)} fits no measured case of this report")
    allowed = [each for each in candidates if each.problem is None]
    tied = [each for each in allowed if relating.latency(allowed[0].result, each.result) == "even"]
    chosen = min(tied, key=lambda each: _size(relating, each), default=None)
    return Advice(
        baseline=baseline,
        chosen=chosen,
        tied=tuple(each for each in tied if each is not chosen),
        candidates=candidates,
        scenario=scenario,
    )


def _scenario(measured: Sequence[Result], budget: Budget) -> Scenario:
    sizes = sorted({result.batch_size for result in measured})
    if not sizes:
        raise ReportError("this report has no measured case")
    wanted = budget.batch_size or sizes[0]
    for result in measured:
        if result.batch_size == wanted:
            return scenario_of(result)
    raise ReportError(f"this report has no batch size {wanted}; it has {', '.join(map(str, sizes))}")


def _baseline(report: Report, results: Sequence[Result]) -> Result:
    name = report.run.settings.baseline
    for result in results:
        if result.case.partition("/")[0] == name:
            return result
    raise ReportError(f"the baseline {name}, against which accuracy is judged, was not measured")


def _candidate(relating: Relating, result: Result, baseline: Result, budget: Budget) -> Candidate:
    change = None
    if result.accuracy is not None and baseline.accuracy is not None:
        change = flips(baseline.accuracy, result.accuracy, ALPHA)
    if change is None:
        raise ReportError(f"the report does not say which digits {result.case} called wrong: measure it again")
    problem = None
    size = relating.look.metric(result, "size_bytes")
    if change.change < -budget.drop:
        problem = f"loses {100 * -change.change:.2f} points"
    elif change.lower < -budget.drop:
        problem = f"may lose up to {100 * -change.lower:.2f} points"
    elif budget.size_bytes is not None and size is not None and size.value > budget.size_bytes:
        problem = f"has {size.value / 1000:.1f} KB"
    return Candidate(result=result, change=change, problem=problem)


def _size(relating: Relating, candidate: Candidate) -> float:
    metric = relating.look.metric(candidate.result, "size_bytes")
    return metric.value if metric else float("inf")


def advice_lines(report: Report, advice: Advice, budget: Budget) -> list[str]:
    """The advice in words: what, why, what else came into question, what did not."""
    relating = Relating(report)
    label = relating.look.label
    allowed = f"at most {100 * budget.drop:g} points of top-1 below {label(advice.baseline)}"
    if budget.size_bytes is not None:
        allowed += f", at most {budget.size_bytes / 1000:g} KB"
    lines = []
    if advice.chosen is None:
        lines.append(f"Nothing fits: {allowed}")
    else:
        chosen = advice.chosen
        ratio = relating.latency_ratio(advice.baseline, chosen.result)
        where = f"at batch {advice.scenario[0]}"
        lines.append(f"Ship {label(chosen.result)}: the fastest {where} within the budget ({allowed})")
        lines.append("")
        lines.append(_measures(label(chosen.result), chosen, ratio.mean))
        if advice.tied:
            names = ", ".join(label(each.result) for each in advice.tied)
            lines.append(f"not told from it in latency (by 99% intervals), and no smaller: {names}")
    rejected = [f"{label(each.result)} {each.problem}" for each in advice.candidates if each.problem]
    if rejected:
        more = f"; and {len(rejected) - MOST_NAMED} more" if len(rejected) > MOST_NAMED else ""
        lines.append(f"outside the budget, fastest first: {'; '.join(rejected[:MOST_NAMED])}{more}")
    return lines


def _measures(name: str, candidate: Candidate, log_ratio: float) -> str:
    change = candidate.change
    return (
        f"{name}: {math.exp(log_ratio):.2f} times as fast as the baseline; top-1 {100 * change.change:+.2f} points"
        f" (99% interval {100 * change.lower:+.2f} to {100 * change.upper:+.2f}:"
        f" {counted(change.fixed, 'digit')} fixed, {change.broken} broken)"
    )
