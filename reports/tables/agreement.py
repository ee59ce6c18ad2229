"""Answers to the same samples, case by case: who gets right what another gets wrong, and how far cases agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.evaluation import ClassDetails, Evaluation
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.paired import PairedChange, answered_alike, paired_change
from crossrt.reports.tables.headline import change_text
from crossrt.reports.tables.lookup import ABSENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet, Tone
from crossrt.reports.text.labels import class_text
from crossrt.reports.text.patterns import case_matches

ALPHA: Final = 0.005
"""Chance of error on each side of the interval of a change."""

MOST_CLASSES: Final = 20
"""Classes of which a whole matrix is shown; of more, only the pairs that changed most."""

MOST_PAIRS: Final = 12

LEGEND: Final = (
    "fixed, broken: samples that the case answers right and the baseline wrong, and the other way round. change: with"
    " its 99% interval (shares: Tango's score interval in percentage points; numbers: Student's t). p: exact McNemar or"
    " paired t test, two-sided. most broken: the class that lost most samples, net."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A case and how it answered."""

    result: Result
    evaluation: Evaluation


def answers_in(report: Report, patterns: Sequence[str]) -> list[Answers]:
    """One entry for each model file and runtime, at the smallest batch size.

    Raises:
        ReportError: No case fits, or none says what it answered to each sample.
    """
    found: dict[str, Answers] = {}
    for result in report.results:
        evaluation = result.evaluation
        is_asked_for = not patterns or any(case_matches(pattern, result) for pattern in patterns)
        has_samples = evaluation is not None and (evaluation.per_sample or evaluation.predictions is not None)
        if evaluation is not None and has_samples and is_asked_for and result.subject not in found:
            found[result.subject] = Answers(result=result, evaluation=evaluation)
    if not found:
        asked = f" that fits {' '.join(patterns)}" if patterns else ""
        raise ReportError(f"this report has no case{asked} that holds its answers sample by sample: measure it again")
    return list(found.values())


def baseline_of(report: Report) -> Answers:
    """The case that the report's speed-ups refer to.

    Raises:
        ReportError: It was not measured.
    """
    for each in answers_in(report, ()):
        if each.result.subject == report.run.settings.baseline:
            return each
    name = report.run.settings.baseline
    raise ReportError(f"the baseline {name}, with which answers are compared, was not measured")


def agreement(one: Answers, other: Answers) -> float | None:
    """Share of samples to which both give the same answer; None where answers are not classes."""
    alike = answered_alike(one.evaluation, other.evaluation)
    return None if alike is None else float(alike.mean())


def changes_by_class(
    baseline: Answers, current: Answers, labels: NDArray[Any], name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Samples fixed and samples broken in a metric of right and wrong, by true class, each `(classes,)`."""
    before, after = (each.evaluation.per_sample.get(name) for each in (baseline, current))
    if before is None or after is None or not before.dtype == after.dtype == "bool":
        return None
    was_right, is_right = before.unpack().ravel(), after.unpack().ravel()
    if not len(was_right) == len(is_right) == len(labels):
        return None
    classes = int(labels.max()) + 1
    fixed, broken = labels[is_right & ~was_right], labels[was_right & ~is_right]
    return np.bincount(fixed, minlength=classes), np.bincount(broken, minlength=classes)


def change_sheet(report: Report, chosen: Sequence[Answers], baseline: Answers) -> Sheet:
    """Each case compared with the baseline over the same samples, in the metric that the task is about."""
    look = Lookup(report)
    primary, labels = look.primary, _labels(report)
    rows = []
    for each in chosen:
        found = None if primary is None else paired_change(baseline.evaluation, each.evaluation, primary, ALPHA)
        if primary is None or found is None or each.result.case == baseline.result.case:
            is_baseline = each.result.case == baseline.result.case
            cells = [Cell(text="baseline" if is_baseline else ABSENT), *[Cell(text=ABSENT)] * 4]
        else:
            base = baseline.evaluation.values.get(primary.name)
            cells = [_change(found, primary, base), _count(found.fixed), _count(found.broken)]
            broken = _most_broken(baseline, each, labels, primary.name, report.data.classes)
            cells += [Cell(text=f"{found.p_value:.2g}"), Cell(text=broken)]
        value = look.cell(each.result, primary.name, interval=True) if primary else Cell(text=ABSENT)
        rows.append((Cell(text=look.label(each.result)), value, *cells))
    title = look.title(primary.name) if primary else "metric"
    return Sheet(
        title=f"Answers to {baseline.evaluation.samples:,} samples, compared with {look.label(baseline.result)}",
        columns=("case", title, "change", "fixed", "broken", "p", "most broken"),
        rows=tuple(rows),
        dropped_first=("most broken", "p", title, "fixed", "broken"),
    )


def _labels(report: Report) -> NDArray[Any] | None:
    """Labels that are classes."""
    if report.data.labels is None:
        return None
    labels = report.data.labels.unpack()
    is_class = labels.ndim == 1 and labels.dtype.kind in "iu" and len(labels) > 0 and labels.min() >= 0
    return labels.astype(np.int64) if is_class and labels.max() < 2**16 else None


def _count(number: int | None) -> Cell:
    return Cell(text=ABSENT if number is None else f"{number:,}")


def _change(found: PairedChange, definition: MetricDefinition, baseline: float | None) -> Cell:
    tone: Tone | None = None
    if found.is_distinguished:
        tone = "bad" if (found.upper < 0) != (definition.direction == SMALLER) else "good"
    return Cell(text=change_text(found, definition, baseline), tone=tone)


def _most_broken(
    baseline: Answers, current: Answers, labels: NDArray[Any] | None, name: str, names: Sequence[str]
) -> str:
    found = None if labels is None else changes_by_class(baseline, current, labels, name)
    if found is None:
        return ABSENT
    net = found[1] - found[0]
    worst = int(net.argmax())
    return f"{class_text(worst, names)} (-{net[worst]})" if net[worst] > 0 else ABSENT


def confusion_sheet(
    baseline: Answers, current: Answers, name: str, most_classes: int = MOST_CLASSES, names: Sequence[str] = ()
) -> Sheet:
    """The confusion matrix minus the baseline's: a dot means no change; of many classes the pairs that changed most.

    Args:
        baseline: What is compared with.
        current: A case.
        name: What to call it.
        most_classes: Classes that a matrix has room for.
        names: Of the classes.

    Raises:
        ReportError: Answers are not classes.
    """
    before, after = baseline.evaluation.classes, current.evaluation.classes
    if before is None or after is None:
        raise ReportError(f"{name} has no confusion matrix: its task is {current.evaluation.task}")
    change = _cells(after)
    for pair, count in _cells(before).items():
        change[pair] = change.get(pair, 0) - count
    number = max(len(before.scores), len(after.scores))
    if number > most_classes:
        return _changed_pairs(change, name, names)
    rows = tuple(
        (
            Cell(text=class_text(true, names)),
            *(Cell(text=f"{change[true, given]:+d}" if change.get((true, given)) else "·") for given in range(number)),
        )
        for true in range(number)
    )
    columns = ("class", *(str(given) for given in range(number)))
    return Sheet(title=f"{name}: answered (columns), more or fewer than by the baseline", columns=columns, rows=rows)


def _cells(classes: ClassDetails) -> dict[tuple[int, int], int]:
    return {(true, given): count for true, given, count in classes.confusion}


def _changed_pairs(change: dict[tuple[int, int], int], name: str, names: Sequence[str]) -> Sheet:
    ordered = sorted(((pair, count) for pair, count in change.items() if count), key=lambda each: -abs(each[1]))
    rows = tuple(
        tuple(Cell(text=text) for text in (class_text(true, names), class_text(given, names), f"{count:+,d}"))
        for (true, given), count in ordered[:MOST_PAIRS]
    )
    title = f"{name}: the {len(rows)} of {len(ordered):,} pairs of classes that changed most from the baseline"
    return Sheet(title=title, columns=("class", "answered", "samples"), rows=rows)
