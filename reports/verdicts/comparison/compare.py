"""The comparison itself: judges every metric that has a margin, and collects what it found."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.records import Control, Report, Result
from crossrt.reports.verdicts.comparison.answers import answer_findings, answers_by_instructions
from crossrt.reports.verdicts.comparison.basis import ALPHA, Basis, Question
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding, Verdict
from crossrt.reports.verdicts.comparison.judging import plain_finding, time_finding
from crossrt.reports.verdicts.comparison.kernels import has_other_layers
from crossrt.reports.verdicts.comparison.notes import cautions, incomparable, method, notes, subject
from crossrt.reports.verdicts.comparison.pairing import Pair
from crossrt.reports.verdicts.comparison.times import Change, paired_change, unpaired_change


def compare_reports(baseline: Report, current: Report, question: Question) -> Comparison:
    """Judges the current report against the baseline.

    Raises:
        ReportError: A rule names no metric that can be judged.
    """
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
        cautions=tuple(cautions(basis)),
    )


def status_findings(basis: Basis) -> Iterator[Finding]:
    """Cases that vanished, failed, or work again.

    What was not measured in the baseline either is not worse for being absent now, and between two reports that have no
    case in common nothing has vanished: they are of different things.
    """
    measured = [result for result in basis.pairing.vanished if result.status == "ok"]
    for result in measured if basis.has_common_cases else ():
        yield _status_finding(basis, result, "worse", "vanished", "is in the baseline and not in the current report")
    for pair in basis.pairing.pairs:
        before, after = pair.baseline.status, pair.current.status
        if before == "ok" and after != "ok":
            yield _status_finding(basis, pair.current, "worse", after, pair.current.reason or "no reason is known")
        elif before != "ok" and after == "ok":
            yield _status_finding(basis, pair.current, "better", "works", f"was {before}: {pair.baseline.reason}")


def _status_finding(basis: Basis, result: Result, verdict: Verdict, word: str, detail: str) -> Finding:
    return Finding(
        case=result.case,
        metric="status",
        name=basis.names[result.case],
        label="status",
        verdict=verdict,
        word=word,
        is_regression=verdict == "worse",
        detail=detail,
    )


def _times(basis: Basis) -> Iterator[Finding]:
    judged = basis.judged_times()
    for pair, definition, margin in judged:
        change = _change(basis, pair, definition, ALPHA / len(judged))
        if change is not None:
            yield time_finding(basis, pair, definition, margin, change)


def _change(basis: Basis, pair: Pair, definition: MetricDefinition, alpha: float) -> Change | None:
    if basis.shares_rounds:
        interval = paired_change(pair, definition.name, _replicates(basis, pair), alpha)
    else:
        interval = unpaired_change(pair, definition.name, basis.scale(definition.name), basis.references, alpha)
    before, after = basis.before(pair, definition.name), basis.after(pair, definition.name)
    if interval is None or before is None or after is None:
        return None
    return Change(interval=interval, baseline=before.value, current=after.value)


def _replicates(basis: Basis, pair: Pair) -> tuple[Control, ...]:
    """Second processes of a case, where both reports have them."""
    found = [
        each
        for report, result in ((basis.baseline, pair.baseline), (basis.current, pair.current))
        for each in report.controls
        if each.kind == "replicate" and each.of == result.case
    ]
    return tuple(found) if len(found) == 2 else ()


def exact_findings(basis: Basis) -> Iterator[Finding]:
    """Metrics without chance, by the plain change, and memory."""
    for pair, definition, margin in basis.judged("ratio", "difference"):
        after = pair.current.evaluation
        is_of_answers = after is not None and definition.name in after.values
        if is_of_answers and (basis.differences.accuracy or answers_by_instructions(basis, pair)):
            continue
        if definition.name == "peak_memory_bytes" and basis.differences.times:
            continue
        if definition.unit == "kernels" and has_other_layers(basis, pair):
            continue
        yield from plain_finding(basis, pair, definition, margin)
