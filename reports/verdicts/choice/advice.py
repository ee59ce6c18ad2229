"""The variant to ship within a stated budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.chance import near_chance
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.statistics.rounds import remedy
from crossrt.reports.tables.headline import change_text
from crossrt.reports.tables.lookup import Scenario
from crossrt.reports.text.cells import counted, listed, times_as_fast
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.choice.pareto import p50
from crossrt.reports.verdicts.choice.relations import Relating, Relation, relative_error

MOST_NAMED: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is allowed.

    Attributes:
        drop: How much worse than the baseline the task's first metric may be: a difference for shares, else a share of
            the baseline's value. Without a metric of samples, the relative error that outputs may have.
        size_bytes: Largest file, or None.
        only: Patterns of the cases that are considered; empty for all.
        batch_size: Samples per call, or None for the smallest in the report.
    """

    drop: float
    size_bytes: int | None = None
    only: Sequence[str] = ()
    batch_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A case that is considered.

    Attributes:
        result: The case.
        change: Its answers compared with the baseline's, sample by sample; None where only outputs are compared.
        error: Relative error of its outputs, where samples are not compared.
        problem: What it breaks of the budget, or None.
    """

    result: Result
    change: PairedChange | None
    error: float | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to ship.

    Attributes:
        baseline: What accuracy is compared with.
        chosen: The fastest within the budget; among those that are indistinguishable from it, the smallest file.
        tied: Others that are statistically indistinguishable from the fastest.
        undecided: Others within the budget of which too few rounds were made to tell them from the fastest.
        candidates: All that were considered, fastest first.
        scenario: Where latency was measured.
    """

    baseline: Result
    chosen: Candidate | None
    tied: tuple[Candidate, ...]
    undecided: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    scenario: Scenario


def advise(report: Report, budget: Budget) -> Advice:
    """Names one case.

    Raises:
        ReportError: Accuracy means nothing in this report, no case fits the patterns, the batch size was not measured,
            or nothing says what samples were answered.
    """
    if reason := refusal(report):
        raise ReportError(f"no advice: {reason}")
    relating = Relating(report)
    measured = [result for result in report.results if result.status == "ok" and result.rounds]
    scenario = _scenario(measured, budget)
    here = [result for result in measured if scenario_of(result) == scenario]
    baseline = _baseline(report, here)
    ordered = sorted(here, key=lambda result: (p50(relating.look, result), result.case))
    candidates = tuple(
        _candidate(relating, result, baseline, budget)
        for result in ordered
        if not budget.only or any(case_matches(pattern, result) for pattern in budget.only)
    )
    if not candidates:
        raise ReportError(f"--only {' '.join(budget.only)} fits no measured case of this report")
    allowed = [each for each in candidates if each.problem is None]
    tied = [each for each in allowed if each is allowed[0] or _stands(relating, allowed[0], each) == "even"]
    chosen = min(tied, key=lambda each: _size(relating, each), default=None)
    return Advice(
        baseline=baseline,
        chosen=chosen,
        tied=tuple(each for each in tied if each is not chosen),
        undecided=tuple(each for each in allowed[1:] if _stands(relating, allowed[0], each) == "undecided"),
        candidates=candidates,
        scenario=scenario,
    )


def _stands(relating: Relating, fastest: Candidate, other: Candidate) -> Relation:
    return relating.latency(fastest.result, other.result)


def refusal(report: Report) -> str | None:
    """Why nothing can be said about what to ship, or None."""
    if report.data.is_random:
        return "inputs were random, so nothing about accuracy was measured; give --data"
    if report.cautions:
        return report.cautions[0]
    return near_chance(report)


def _scenario(measured: Sequence[Result], budget: Budget) -> Scenario:
    sizes = sorted({result.batch_size for result in measured})
    if not sizes:
        raise ReportError("this report has no measured case")
    asked = budget.batch_size or sizes[0]
    for result in measured:
        if result.batch_size == asked:
            return scenario_of(result)
    raise ReportError(f"this report has no batch size {asked}; available: {', '.join(map(str, sizes))}")


def _baseline(report: Report, results: Sequence[Result]) -> Result:
    name = report.run.settings.baseline
    for result in results:
        if result.subject == name:
            return result
    raise ReportError(f"the baseline {name}, with which accuracy is compared, was not measured")


def _candidate(relating: Relating, result: Result, baseline: Result, budget: Budget) -> Candidate:
    definition = relating.look.primary
    change, error = relating.change(baseline, result), None
    if result is baseline:
        problem = None  # few samples make its interval wide, and yet it is itself
    elif definition is not None and change is not None:
        problem = _of_change(change, definition, baseline, budget.drop)
    else:
        error = None if definition is not None and definition.paired_test else relative_error(result)
        if error is None:
            raise ReportError(f"the report does not say how {result.case} answered each sample: measure it again")
        problem = f"has a relative error of {error:.2%}" if error > budget.drop else None
    size = relating.look.metric(result, "size_bytes")
    if problem is None and budget.size_bytes is not None and size is not None and size.value > budget.size_bytes:
        problem = f"has {size.value / 1000:,.1f} KB"
    return Candidate(result=result, change=change, error=error, problem=problem)


def _of_change(change: PairedChange, definition: MetricDefinition, baseline: Result, drop: float) -> str | None:
    """What a change breaks: the loss itself, or the end of its interval."""
    value = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    is_share = definition.unit == "share"
    scale = 1.0 if is_share or not value else abs(value)
    loss, worst = (-change.change, -change.lower) if definition.direction != SMALLER else (change.change, change.upper)
    loss, worst, unit = loss / scale, worst / scale, " pp" if is_share else "%"
    if loss > drop:
        return f"loses {100 * loss:.2f}{unit}"
    return f"may lose up to {100 * worst:.2f}{unit}" if worst > drop else None


def _size(relating: Relating, candidate: Candidate) -> float:
    metric = relating.look.metric(candidate.result, "size_bytes")
    return metric.value if metric else float("inf")


def advice_lines(report: Report, advice: Advice, budget: Budget) -> list[str]:
    """The advice in words: what, why, what else was considered, what does not fit."""
    relating = Relating(report)
    label = relating.look.label
    allowed = _allowed(relating, advice, budget)
    lines = []
    if advice.chosen is None:
        lines.append(f"Nothing fits: {allowed}")
    else:
        chosen = advice.chosen
        where = f"at batch {advice.scenario[0]}"
        lines.append(f"Ship {label(chosen.result)}: the fastest {where} within the budget ({allowed})")
        lines.append("")
        lines.append(_measures(relating, chosen, advice.baseline))
        if advice.tied:
            names = ", ".join(label(each.result) for each in advice.tied)
            lines.append(f"statistically indistinguishable from it in latency (99% intervals), and no smaller: {names}")
    if advice.undecided:
        names = listed([label(each.result) for each in advice.undecided], MOST_NAMED)
        lines.append(f"too few rounds to tell it from {names} in latency: {remedy(report)} would")
    rejected = [f"{label(each.result)} {each.problem}" for each in advice.candidates if each.problem]
    if rejected:
        more = f"; and {len(rejected) - MOST_NAMED} more" if len(rejected) > MOST_NAMED else ""
        lines.append(f"outside the budget, fastest first: {'; '.join(rejected[:MOST_NAMED])}{more}")
    return lines


def choice_text(report: Report, advice: Advice, budget: Budget) -> str:
    """The advice in one sentence: what, within which budget, how fast and how large."""
    relating = Relating(report)
    allowed = _allowed(relating, advice, budget)
    if advice.chosen is None:
        return f"nothing fits: {allowed}"
    chosen, baseline = advice.chosen.result, advice.baseline
    name = relating.look.label(chosen)
    if chosen is baseline:
        return f"{name}, the baseline: no faster case is certain to keep to the budget ({allowed})"
    ratio = math.exp(relating.latency_ratio(baseline, chosen).mean)
    sizes = [relating.look.metric(each, "size_bytes") for each in (chosen, baseline)]
    size = f", {sizes[0].value / sizes[1].value:.0%} of the size" if sizes[0] and sizes[1] and sizes[1].value else ""
    where = f"the fastest at batch {advice.scenario[0]} within the budget ({allowed})"
    return f"{name}, {where}: {times_as_fast(ratio)} as {relating.look.label(baseline)}{size}"


def _allowed(relating: Relating, advice: Advice, budget: Budget) -> str:
    definition, name = relating.look.primary, relating.look.label(advice.baseline)
    if definition is None or all(each.change is None for each in advice.candidates):
        allowed = f"a relative error of at most {100 * budget.drop:g}%"
    elif definition.unit == "share":
        allowed = f"at most {100 * budget.drop:g} pp of {definition.label} below {name}"
    else:
        allowed = f"{definition.label} at most {100 * budget.drop:g}% worse than that of {name}"
    if budget.size_bytes is not None:
        allowed += f", at most {budget.size_bytes / 1000:g} KB"
    return allowed


def _measures(relating: Relating, candidate: Candidate, baseline: Result) -> str:
    ratio = math.exp(relating.latency_ratio(baseline, candidate.result).mean)
    text = f"{relating.look.label(candidate.result)}: {times_as_fast(ratio)} as the baseline"
    change, definition = candidate.change, relating.look.primary
    if change is None or definition is None:
        return f"{text}; relative error of the outputs {candidate.error or 0.0:.2%}"
    value = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    text += f"; {definition.label} {change_text(change, definition, value)} (99% interval"
    if change.broken is not None and change.fixed is not None:
        text += f"; {counted(change.fixed, 'sample')} fixed, {change.broken:,} broken"
    return f"{text})"
