"""The variant to ship within a stated budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.chance import near_chance
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.tables.lookup import Lookup, Scenario
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.choice.pareto import p50
from crossrt.reports.verdicts.choice.relations import LEAST_SIZE, Relating, Relation, relative_error


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
        chosen: The fastest within the budget of those that are proven to be no slower than the baseline; among those
            that are indistinguishable from it, the smallest file. Where none is proven to be, the one with the lowest
            p50.
        is_proven: Whether the rounds show that the chosen one is faster than the baseline, or as fast and smaller.
        tied: Others that are statistically indistinguishable from the fastest.
        undecided: Others within the budget of which too few rounds were made to tell them from the fastest.
        candidates: All that were considered, fastest first.
        scenario: Where latency was measured.
    """

    baseline: Result
    chosen: Candidate | None
    is_proven: bool
    tied: tuple[Candidate, ...]
    undecided: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    scenario: Scenario

    @property
    def shipped(self) -> Result | None:
        """The chosen case where it is proven, else the baseline; None where nothing fits."""
        if self.chosen is None:
            return None
        return self.chosen.result if self.is_proven else self.baseline


def advise(report: Report, budget: Budget) -> Advice:
    """Names one case.

    Raises:
        ReportError: Accuracy means nothing in this report, no case fits the patterns, the batch size was not measured,
            or nothing says what samples were answered.
    """
    if reason := refusal(report):
        raise ReportError(f"no advice: {reason}")
    relating = Relating(report)
    measured = [each for each in report.results if each.status == "ok" and relating.look.metric(each, "latency_p50_ns")]
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
    proven = [each for each in allowed if _is_proven(relating, each, baseline, is_first=each is allowed[0])]
    pool = proven or allowed
    tied = [each for each in pool if each is pool[0] or _stands(relating, pool[0], each) == "even"]
    alike = tied if proven else pool[:1]
    chosen = min(alike, key=lambda each: (_size(relating, each.result), each.result is not baseline), default=None)
    return Advice(
        baseline=baseline,
        chosen=chosen,
        is_proven=bool(proven),
        tied=tuple(each for each in tied if each is not chosen),
        undecided=tuple(
            each for each in allowed if each is not chosen and _stands(relating, pool[0], each) == "undecided"
        ),
        candidates=candidates,
        scenario=scenario,
    )


def _stands(relating: Relating, fastest: Candidate, other: Candidate) -> Relation:
    if other is fastest:
        return "even"
    return relating.latency(other.result, fastest.result)  # in this order also known without rounds


def _is_proven(relating: Relating, candidate: Candidate, baseline: Result, *, is_first: bool) -> bool:
    """Whether there is a known reason to ship it: the rounds show it faster than the baseline, or as fast and smaller.

    The baseline itself needs no more reason than the lowest p50.
    """
    result = candidate.result
    if result is baseline:
        return is_first
    order = relating.latency(baseline, result)
    if order == "even":
        return _size(relating, result) < (1 - LEAST_SIZE) * _size(relating, baseline)
    speedup = relating.look.metric(result, "speedup_p50")
    return order == "worse" and (speedup is None or speedup.lower is UNSET or speedup.lower > 1)


def refusal(report: Report) -> str | None:
    """Why nothing can be said about what to ship, or None."""
    if report.data.is_random:
        return "inputs were random, so nothing about accuracy was measured; give --data"
    if report.cautions:
        return report.cautions[0]
    return near_chance(report) or _quantized_baseline(report)


def _quantized_baseline(report: Report) -> str | None:
    look = Lookup(report)
    for result in report.results:
        if result.subject == look.baseline and look.hides_float(result):
            return (
                f"the baseline {look.label(result)} is a quantized file, which hides what quantization costs:"
                " measure a float case as well (such as --only fp32)"
            )
    return None


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
    if problem is None and not is_small_enough(relating, result, budget):
        problem = f"has {_size(relating, result) / 1000:,.1f} KB"
    return Candidate(result=result, change=change, error=error, problem=problem)


def _of_change(change: PairedChange, definition: MetricDefinition, baseline: Result, drop: float) -> str | None:
    """What a change breaks: the loss itself, or the end of its interval."""
    is_share, scale = definition.unit == "share", scale_of_budget(definition, baseline)
    loss, worst = (-change.change, -change.lower) if definition.direction != SMALLER else (change.change, change.upper)
    loss, worst, unit = loss / scale, worst / scale, " pp" if is_share else "%"
    if loss > drop:
        return f"loses {100 * loss:.2f}{unit}"
    return f"may lose up to {100 * worst:.2f}{unit}" if worst > drop else None


def scale_of_budget(definition: MetricDefinition, baseline: Result) -> float:
    """What a budget is a share of: differences for shares, else the baseline's value."""
    value = baseline.evaluation.values.get(definition.name) if baseline.evaluation else None
    return 1.0 if definition.unit == "share" or not value else abs(value)


def is_small_enough(relating: Relating, result: Result, budget: Budget) -> bool:
    """Whether a file keeps to the budget's size, as far as its size is known."""
    size = relating.look.metric(result, "size_bytes")
    return budget.size_bytes is None or size is None or size.value <= budget.size_bytes


def _size(relating: Relating, result: Result) -> float:
    metric = relating.look.metric(result, "size_bytes")
    return metric.value if metric else float("inf")
