"""What the types of a report cannot say and a file edited by hand may break."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import UNSET

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Duel, Report, Result, Round

LONGEST_NS: Final = 1e15
SMALLEST: Final = 1e-30
MOST_ALPHA: Final = 0.006
"""A little more than the half percent on each side that a duel may be wrong: no look alone may have more."""


def check_report(report: Report, path: Path) -> None:
    """Raises `ReportError` where a report contradicts itself: it would be judged wrongly."""
    for problem in _problems(report):
        raise ReportError(f"{path} is damaged or was edited by hand: {problem}")


def check_duel(duel: Duel, path: Path) -> None:
    """Raises `ReportError` where a duel contradicts itself."""
    for problem in _problems_of_duel(duel):
        raise ReportError(f"{path} is damaged or was edited by hand: {problem}")


def _problems(report: Report) -> Iterator[str]:
    for case, count in Counter(result.case for result in report.results).items():
        if count > 1:
            yield f"the case {case} is there {count} times"
    for (case, name), count in Counter((metric.case, metric.name) for metric in report.metrics).items():
        if count > 1:
            yield f"{name} of {case} is there {count} times"
    for metric in report.metrics:
        if metric.unit == "ns" and not 0 < metric.value < LONGEST_NS:
            yield f"{metric.name} of {metric.case} is {metric.value:g}"
        for number in (metric.value, metric.lower, metric.upper):
            if number is not UNSET and not _is_sensible(number):
                yield f"{metric.name} of {metric.case} is {number:g}"
    measured = {metric.case for metric in report.metrics}
    for result in report.results:
        if result.status == "ok" and not result.rounds:
            yield f"{result.case} is ok and has no rounds"
        if result.status == "ok" and result.case not in measured:
            yield f"{result.case} is ok and has no metrics"
        yield from _of_rounds(result.case, result.rounds, result.calls_per_block)
        yield from _of_accuracy(result)
    for control in report.controls:
        yield from _of_rounds(f"the {control.kind} of {control.of}", control.rounds, control.calls_per_block)
    yield from _of_distances(report)
    yield from _of_layers(report)


def _is_sensible(number: float) -> bool:
    """No metric is as large or as close to zero as what arithmetic cannot hold."""
    return number == 0 or SMALLEST < abs(number) < 1 / SMALLEST


def _problems_of_duel(duel: Duel) -> Iterator[str]:
    for label, arm in (("A", duel.a), ("B", duel.b)):
        for rounds in (arm.result.rounds, arm.twin_rounds):
            yield from _of_rounds(label, rounds, arm.result.calls_per_block)
    if duel.a.result.calls_per_block != duel.b.result.calls_per_block:
        yield "A and B have blocks of different lengths"
    looked = [look.rounds for look in duel.looks]
    finished = min(len(rounds) for arm in (duel.a, duel.b) for rounds in (arm.result.rounds, arm.twin_rounds))
    if looked != sorted(set(looked)) or any(rounds > finished for rounds in looked):
        yield f"it was judged after {', '.join(map(str, looked))} rounds, and {finished} are there"
    if any(look.alpha > MOST_ALPHA for look in duel.looks):
        yield "a look has more than the chance of error of the whole duel"


def _of_layers(report: Report) -> Iterator[str]:
    known = {artifact.id for artifact in report.artifacts}
    for name, count in Counter(each.artifact for each in report.layers).items():
        if name not in known:
            yield f"it diagnoses {name}, which is none of its files"
        elif count > 1:
            yield f"it diagnoses {name} {count} times"


def _of_distances(report: Report) -> Iterator[str]:
    cases = {result.case for result in report.results}
    pairs = [frozenset((each.one, each.other)) for each in report.distances]
    for pair, count in Counter(pairs).items():
        if not pair <= cases or len(pair) < 2:
            yield f"it compares the logits of {' and '.join(sorted(pair))}, which are not two of its cases"
        elif count > 1:
            yield f"the distance of {' and '.join(sorted(pair))} is there {count} times"


def _of_rounds(name: str, rounds: Sequence[Round], calls_per_block: int) -> Iterator[str]:
    indices = [each.index for each in rounds]
    if len(set(indices)) < len(indices):
        yield f"{name} holds a round twice"
    if rounds and not 1 <= calls_per_block <= min(len(each.latency_ns) for each in rounds):
        yield f"{name} has blocks of {calls_per_block} calls"


def _of_accuracy(result: Result) -> Iterator[str]:
    accuracy = result.accuracy
    if accuracy is None:
        return
    if accuracy.correct > accuracy.samples:
        yield f"{result.case} calls {accuracy.correct} of {accuracy.samples} digits right"
    if accuracy.misclassified is not None:
        digits = {index for index, _ in accuracy.misclassified}
        if len(digits) != accuracy.samples - accuracy.correct or len(digits) < len(accuracy.misclassified):
            yield f"{result.case} names {len(accuracy.misclassified)} wrong answers and counts others"
        if any(index >= accuracy.samples for index in digits):
            yield f"{result.case} names wrong answers to digits that there are not"
