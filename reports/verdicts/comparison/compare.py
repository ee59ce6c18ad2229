"""The comparison itself: judges every metric that has a margin, and collects what it found."""

from __future__ import annotations

import math
from collections.abc import Iterator

from crossrt.reports.schema.records import Control, Report, Result
from crossrt.reports.verdicts.comparison.answers import flips
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis, Question
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding, Verdict
from crossrt.reports.verdicts.comparison.notes import incomparable, method, notes, subject
from crossrt.reports.verdicts.comparison.pairing import Pair
from crossrt.reports.verdicts.comparison.rules import Judged
from crossrt.reports.verdicts.comparison.times import Change, paired_change, unpaired_change

_ROUNDING = 1e-12


def compare_reports(baseline: Report, current: Report, question: Question) -> Comparison:
    """Judges the current report against the baseline."""
    basis = Basis(baseline, current, question)
    findings = [*status_findings(basis), *_times(basis), *answer_findings(basis), *exact_findings(basis)]
    return Comparison(
        baseline=baseline.run.id,
        current=current.run.id,
        subjects=(subject(baseline), subject(current)),
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        notes=tuple(notes(basis)),
        method=tuple(method(basis)),
        incomparable=tuple(incomparable(basis)),
    )


def status_findings(basis: Basis) -> Iterator[Finding]:
    """Cases that vanished, failed, or work again."""
    for result in basis.pairing.vanished:
        yield _status_finding(result, "worse", "vanished", "is in the baseline and not in the current report")
    for pair in basis.pairing.pairs:
        before, after = pair.baseline.status, pair.current.status
        if before == "ok" and after != "ok":
            yield _status_finding(pair.current, "worse", after, pair.current.reason or "no reason is known")
        elif before != "ok" and after == "ok":
            yield _status_finding(pair.current, "better", "works", f"was {before}: {pair.baseline.reason}")


def _times(basis: Basis) -> Iterator[Finding]:
    judged = basis.judged_times()
    for pair, name, how, margin in judged:
        change = _change(basis, pair, name, ALPHA / len(judged))
        if change is not None:
            yield time_finding(pair, name, how, margin, change)


def _change(basis: Basis, pair: Pair, name: str, alpha: float) -> Change | None:
    if basis.shares_rounds:
        return paired_change(pair, name, _twins(basis, pair), alpha)
    return unpaired_change(pair, name, basis.scale(name), basis.anchors, alpha)


def _twins(basis: Basis, pair: Pair) -> tuple[Control, ...]:
    """Second processes of a case, where both reports have them."""
    found = [
        each
        for report, result in ((basis.baseline, pair.baseline), (basis.current, pair.current))
        for each in report.controls
        if each.kind == "twin" and each.of == result.case
    ]
    return tuple(found) if len(found) == 2 else ()


def answer_findings(basis: Basis) -> Iterator[Finding]:
    """Accuracy over the same digits."""
    if basis.differences.accuracy:
        return
    for pair, name, how, margin in basis.judged("digits"):
        if pair.baseline.accuracy is None or pair.current.accuracy is None:
            continue
        found = flips(pair.baseline.accuracy, pair.current.accuracy, ALPHA)
        if found is None:
            yield from _plain_finding(basis, pair, name, how, margin)
            continue
        yield _finding(
            basis,
            pair,
            name,
            how,
            _verdict(-found.upper, -found.lower, margin),
            margin=margin,
            change=found.change,
            lower=found.lower,
            upper=found.upper,
            detail=f"{found.broken} digits broken, {found.fixed} fixed; exact McNemar p = {found.p_value:.2g}",
        )


def exact_findings(basis: Basis) -> Iterator[Finding]:
    """Metrics without chance, by the plain change, and memory."""
    for pair, name, how, margin in (*basis.judged("ratio"), *basis.judged("share")):
        needs_digits = how.kind == "share" or name == "max_abs_error"
        is_time_like = name == "peak_memory_bytes"
        if not (needs_digits and basis.differences.accuracy) and not (is_time_like and basis.differences.times):
            yield from _plain_finding(basis, pair, name, how, margin)


def _plain_finding(basis: Basis, pair: Pair, name: str, how: Judged, margin: float) -> Iterator[Finding]:
    before, after = basis.before(pair, name), basis.after(pair, name)
    if before is None or after is None:
        return
    difference = after.value - before.value
    change = difference if how.kind in ("share", "digits") or not before.value else difference / before.value
    worsening = change if after.direction == "smaller_is_better" else -change
    verdict: Verdict = "same"
    if abs(worsening) > margin + _ROUNDING:
        verdict = "worse" if worsening > 0 else "better"
    yield _finding(basis, pair, name, how, verdict, margin=margin, change=change)


def _finding(
    basis: Basis,
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
    before, after = basis.before(pair, name), basis.after(pair, name)
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


def _status_finding(result: Result, verdict: Verdict, word: str, detail: str) -> Finding:
    return Finding(
        case=result.case, metric="status", verdict=verdict, word=word, is_regression=verdict == "worse", detail=detail
    )


def time_finding(pair: Pair, name: str, how: Judged, margin: float, change: Change) -> Finding:
    """What a time came to: the interval against the margin."""
    interval = change.interval
    bound = math.log1p(margin)
    verdict = _verdict(interval.lower, interval.upper, bound)
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


def _verdict(lower: float, upper: float, margin: float) -> Verdict:
    """Four values, for a change of which more is worse; what may be better and is not worse counts as the same."""
    if lower > margin:
        return "worse"
    if upper < -margin:
        return "better"
    return "same" if upper <= margin else "inconclusive"


def _word(how: Judged, verdict: Verdict) -> str:
    return {"worse": how.worse, "better": how.better}.get(verdict, verdict)
