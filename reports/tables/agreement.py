"""Answers to the same digits, case by case: who gets right what another gets wrong, and how far cases agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Accuracy, Report, Result
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import Cell, Sheet, Tone, share_with_interval
from crossrt.reports.text.patterns import case_matches
from crossrt.reports.verdicts.comparison.answers import Flips, flips

ALPHA: Final = 0.005
"""Chance of error on each side of the interval of a change."""

LEGEND: Final = (
    "fixed, broken: digits that the case calls right and the baseline wrong, and the other way round. change: of top-1"
    " in points, with the 99% interval given the number of flips (Clopper-Pearson). p: exact McNemar test, two-sided."
    " most broken: the class whose digits lost most, net."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A case, and what it called each digit that it got wrong."""

    result: Result
    accuracy: Accuracy
    wrong: dict[int, int]


def answers_in(report: Report, patterns: Sequence[str]) -> list[Answers]:
    """One entry for each model file and runtime, at the smallest batch size.

    Raises:
        ReportError: No case fits, or none says which digits it called wrong.
    """
    found: dict[str, Answers] = {}
    for result in report.results:
        accuracy, subject = result.accuracy, result.case.partition("/")[0]
        is_wanted = not patterns or any(case_matches(pattern, result.case) for pattern in patterns)
        if accuracy is not None and accuracy.misclassified is not None and is_wanted and subject not in found:
            found[subject] = Answers(result=result, accuracy=accuracy, wrong=dict(accuracy.misclassified))
    if not found:
        asked = f" that fits {' '.join(patterns)}" if patterns else ""
        raise ReportError(f"this report has no case{asked} that says which digits it called wrong")
    return list(found.values())


def baseline_of(report: Report) -> Answers:
    """The case that the report's speed-ups refer to.

    Raises:
        ReportError: It was not measured.
    """
    name = report.run.settings.baseline
    for each in answers_in(report, ()):
        if each.result.case.partition("/")[0] == name:
            return each
    raise ReportError(f"the baseline {name}, against which answers are held, was not measured")


def agreement(one: Answers, other: Answers) -> float:
    """Share of digits to which both give the same class; a digit that none got wrong is one."""
    differing = sum(one.wrong.get(digit) != other.wrong.get(digit) for digit in one.wrong.keys() | other.wrong.keys())
    return 1 - differing / one.accuracy.samples


def flips_by_class(
    baseline: Answers, current: Answers, labels: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Digits fixed and digits broken, by true class, each `(classes,)`."""
    fixed = sorted(baseline.wrong.keys() - current.wrong.keys())
    broken = sorted(current.wrong.keys() - baseline.wrong.keys())
    classes = len(baseline.accuracy.confusion)
    return np.bincount(labels[fixed], minlength=classes), np.bincount(labels[broken], minlength=classes)


def change_sheet(report: Report, chosen: Sequence[Answers], baseline: Answers, labels: NDArray[np.uint8]) -> Sheet:
    """Each case against the baseline over the same digits."""
    look = Lookup(report)
    rows = []
    for each in chosen:
        found = flips(baseline.accuracy, each.accuracy, ALPHA)
        if found is None or each is baseline or each.result.case == baseline.result.case:
            cells = [Cell(text="baseline"), *[Cell(text="-")] * 4]
        else:
            fixed, broken = flips_by_class(baseline, each, labels)
            cells = [_change(found), Cell(text=str(found.fixed)), Cell(text=str(found.broken))]
            cells += [Cell(text=f"{found.p_value:.2g}"), Cell(text=_most_broken(broken - fixed))]
        top1 = look.cell(each.result, "top1", share_with_interval, {})
        rows.append((Cell(text=look.label(each.result)), top1, *cells))
    columns = ("case", "top-1 %", "change", "fixed", "broken", "p", "most broken")
    title = f"Answers to {baseline.accuracy.samples:,} digits against {look.label(baseline.result)}"
    return Sheet(title=title, columns=columns, rows=tuple(rows))


def _change(found: Flips) -> Cell:
    text = f"{100 * found.change:+.2f} [{100 * found.lower:+.2f}, {100 * found.upper:+.2f}]"
    tone: Tone | None = None
    if found.upper < 0 or found.lower > 0:
        tone = "bad" if found.upper < 0 else "good"
    return Cell(text=text, tone=tone)


def _most_broken(net: NDArray[np.int64]) -> str:
    worst = int(net.argmax())
    return f"{worst} (-{net[worst]})" if net[worst] > 0 else "-"


def confusion_sheet(baseline: Answers, current: Answers, name: str) -> Sheet:
    """The confusion matrix minus the baseline's; a dot is no change."""
    difference = np.array(current.accuracy.confusion) - np.array(baseline.accuracy.confusion)
    rows = tuple(
        (Cell(text=str(true)), *(Cell(text=f"{count:+d}" if count else "·") for count in row))
        for true, row in enumerate(difference)
    )
    columns = ("digit", *(str(called) for called in range(len(difference))))
    return Sheet(title=f"{name}: called (columns), more or fewer than by the baseline", columns=columns, rows=rows)
