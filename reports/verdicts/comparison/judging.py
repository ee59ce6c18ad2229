"""Verdicts on single metrics: an interval or a plain change beside its margin."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.verdicts.comparison.basis import Basis
from crossrt.reports.verdicts.comparison.findings import ChangeKind, Finding, Verdict
from crossrt.reports.verdicts.comparison.pairing import Pair
from crossrt.reports.verdicts.comparison.times import Change

_ROUNDING = 1e-12


def verdict_of(lower: float, upper: float, margin: float) -> Verdict:
    """Four values, for a change of which more is worse; what may be better and is not worse counts as the same."""
    if lower > margin:
        return "worse"
    if upper < -margin:
        return "better"
    return "same" if upper <= margin else "inconclusive"


def word_of(definition: MetricDefinition, verdict: Verdict) -> str:
    """The verdict in the metric's own word."""
    return {"worse": definition.worse, "better": definition.better}.get(verdict, verdict)


def plain_finding(basis: Basis, pair: Pair, definition: MetricDefinition, margin: float) -> Iterator[Finding]:
    """A metric without chance, or whose samples are not known, by its plain change."""
    before, after = basis.before(pair, definition.name), basis.after(pair, definition.name)
    if before is None or after is None:
        return
    kind: ChangeKind = "points" if definition.unit == "share" else "relative"
    if kind == "relative" and (definition.judged_by == "difference" or not before.value):
        kind = "difference"
    change = after.value - before.value
    if kind == "relative":
        change /= abs(before.value)
    worsening = change if definition.direction == SMALLER else -change
    verdict: Verdict = "same"
    if abs(worsening) > margin + _ROUNDING:
        verdict = "worse" if worsening > 0 else "better"
    yield finding_of(basis, pair, definition, verdict, margin=margin, change=change, kind=kind)


def finding_of(
    basis: Basis,
    pair: Pair,
    definition: MetricDefinition,
    verdict: Verdict,
    *,
    margin: float,
    change: float,
    kind: ChangeKind,
    lower: float | None = None,
    upper: float | None = None,
    detail: str | None = None,
) -> Finding:
    """What a metric of a case came to, with its values in both reports."""
    before, after = basis.before(pair, definition.name), basis.after(pair, definition.name)
    return Finding(
        case=pair.current.case,
        metric=definition.name,
        name=basis.names[pair.current.case],
        label=definition.label,
        format=definition.format,
        verdict=verdict,
        word=word_of(definition, verdict),
        is_regression=verdict == "worse",
        baseline=before.value if before else None,
        current=after.value if after else None,
        unit=definition.unit,
        change=change,
        change_kind=kind,
        lower=lower,
        upper=upper,
        margin=margin,
        detail=detail,
    )


def time_finding(basis: Basis, pair: Pair, definition: MetricDefinition, margin: float, change: Change) -> Finding:
    """What a time came to: the interval against the margin, beside the values that every other table prints.

    Args:
        basis: Both reports.
        pair: The case in both runs.
        definition: The metric.
        margin: What is allowed, as a share.
        change: The time before and after.
    """
    interval = change.interval
    bound = math.log1p(margin)
    verdict = verdict_of(interval.lower, interval.upper, bound)
    is_finite = math.isfinite(interval.half)
    may_be_better = verdict == "same" and interval.lower < -bound
    sign = 1 if definition.direction == SMALLER else -1  # of a rate, the time of one is judged
    ends = sorted((sign * interval.lower, sign * interval.upper))
    return Finding(
        case=pair.current.case,
        metric=definition.name,
        name=basis.names[pair.current.case],
        label=definition.label,
        format=definition.format,
        verdict=verdict,
        word=f"not {definition.worse}" if may_be_better else word_of(definition, verdict),
        is_regression=verdict == "worse",
        baseline=change.baseline,
        current=change.current,
        unit=definition.unit,
        change=math.expm1(sign * interval.mean),
        lower=math.expm1(ends[0]) if is_finite else None,
        upper=math.expm1(ends[1]) if is_finite else None,
        margin=margin,
        detail=None if is_finite else "a single round has no interval",
    )
