"""What the types of a report cannot say and a file edited by hand may break."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import UNSET

from crossrt.core.errors import CrossrtError
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.emulated import EmulatedAnswers
from crossrt.reports.schema.records import Data, Duel, Report, Result, Round

LONGEST_NS: Final = 1e15
SMALLEST: Final = 1e-30
MOST_ALPHA: Final = 0.006
"""A little more than the half percent on each side that an A/B comparison may be wrong: no look alone may have more."""

MOST_UNPACKED: Final = 2**28
"""Bytes that all packed arrays of a report may take together."""

MOST_DIMENSIONS: Final = 8

MOST_CLASSES: Final = 65_536


def check_report(report: Report) -> None:
    """Raises `ReportError` where a report contradicts itself: it would be judged wrongly."""
    for problem in _problems(report):
        raise ReportError(problem)


def check_duel(duel: Duel) -> None:
    """Raises `ReportError` where an A/B comparison contradicts itself."""
    for problem in _problems_of_duel(duel):
        raise ReportError(problem)


def _problems(report: Report) -> Iterator[str]:
    yield from _repeated("the case {}", (result.case for result in report.results))
    yield from _repeated("the artifact {}", (artifact.id for artifact in report.artifacts))
    yield from _repeated("the metric {}", (definition.name for definition in report.definitions))
    yield from _of_trainings(report)
    yield from _of_metrics(report)
    measured = {metric.case for metric in report.metrics}
    for result in report.results:
        if result.status == "ok" and not result.rounds:
            yield f"{result.case} is ok and has no rounds"
        if result.status == "ok" and result.case not in measured:
            yield f"{result.case} is ok and has no metrics"
        yield from _of_rounds(result.case, result.rounds)
    for control in report.controls:
        yield from _of_rounds(f"the {control.kind} of {control.of}", control.rounds)
    yield from _of_distances(report)
    yield from _of_layers(report)
    yield from _of_answers(report.data, report.results, report.emulated)
    yield from _of_emulated(report)


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{what.format(name)} is there {count} times"


def _of_trainings(report: Report) -> Iterator[str]:
    for each in report.artifacts:
        epochs = each.training.epochs if each.training else ()
        yield from _repeated("the epoch {}", (f"{epoch.epoch} of {each.id}" for epoch in epochs))
        scores = [score for epoch in epochs for score in (epoch.train, epoch.validation) if score is not None]
        for number in (number for score in scores for number in (score.loss, score.metric)):
            if not math.isfinite(number):
                yield f"the training of {each.id} has a score of {number:g}"


def _of_metrics(report: Report) -> Iterator[str]:
    yield from _repeated("{}", (f"{metric.name} of {metric.case}" for metric in report.metrics))
    known, cases = {each.name for each in report.definitions}, {each.case for each in report.results}
    for metric in report.metrics:
        if metric.name not in known:
            yield f"it holds {metric.name}, which its definitions lack"
        if metric.case not in cases:
            yield f"it holds {metric.name} of {metric.case}, which is not one of its cases"
        if metric.unit == "ns" and not 0 < metric.value < LONGEST_NS:
            yield f"{metric.name} of {metric.case} is {metric.value:g}"
        for number in (metric.value, metric.lower, metric.upper):
            if number is not UNSET and not is_sensible(number):
                yield f"{metric.name} of {metric.case} is {number:g}"


def is_sensible(number: float) -> bool:
    """No metric is as large or as close to zero as what arithmetic cannot hold."""
    return number == 0 or SMALLEST < abs(number) < 1 / SMALLEST


def _problems_of_duel(duel: Duel) -> Iterator[str]:
    for label, arm in (("A", duel.a), ("B", duel.b)):
        for rounds in (arm.result.rounds, arm.replicate_rounds):
            yield from _of_rounds(label, rounds)
    looked = [look.rounds for look in duel.looks]
    finished = min(len(rounds) for arm in (duel.a, duel.b) for rounds in (arm.result.rounds, arm.replicate_rounds))
    if looked != sorted(set(looked)) or any(rounds > finished for rounds in looked):
        yield f"it was judged after {', '.join(map(str, looked))} rounds, and {finished} are there"
    if any(look.alpha > MOST_ALPHA for look in duel.looks):
        yield "a look has more than the chance of error of the whole A/B comparison"
    yield from _of_answers(duel.data, (duel.a.result, duel.b.result))


def _of_layers(report: Report) -> Iterator[str]:
    known = {artifact.id for artifact in report.artifacts}
    yield from _repeated("the diagnosis of {}", (each.artifact for each in report.layers))
    for each in report.layers:
        if each.artifact not in known:
            yield f"it diagnoses {each.artifact}, which is not one of its files"


def _of_distances(report: Report) -> Iterator[str]:
    cases = {result.case for result in report.results}
    pairs = [frozenset((each.one, each.other)) for each in report.distances]
    for pair, count in Counter(pairs).items():
        if not pair <= cases or len(pair) < 2:
            yield f"it compares the answers of {' and '.join(sorted(pair))}, which are not two of its cases"
        elif count > 1:
            yield f"the distance of {' and '.join(sorted(pair))} is there {count} times"


def _of_rounds(name: str, rounds: Sequence[Round]) -> Iterator[str]:
    indices = [each.index for each in rounds]
    if len(set(indices)) < len(indices):
        yield f"{name} holds a round twice"
    for each in rounds:
        if any(block >= len(each.blocks_ns) for block in each.disturbed_blocks):
            yield f"round {each.index} of {name} has {len(each.blocks_ns)} blocks, and others are marked as disturbed"


def _of_emulated(report: Report) -> Iterator[str]:
    cases = {result.case for result in report.results}
    for each in report.emulated:
        if each.case not in cases:
            yield f"it holds answers of {each.case} on {each.cpu}, which is not one of its cases"
        if each.status == "ok" and (each.native is None or each.emulated is None):
            yield f"{each.case} on {each.cpu} is ok and has no answers"


def _of_answers(data: Data, results: Sequence[Result], emulated: Sequence[EmulatedAnswers] = ()) -> Iterator[str]:
    """Evaluations and labels. Sizes are added up before anything is unpacked."""
    evaluations = [(each.case, each.evaluation) for each in results if each.evaluation is not None]
    for row in emulated:
        both = ((row.case, row.native), (f"{row.case} on {row.cpu}", row.emulated))
        evaluations += [(name, found) for name, found in both if found is not None]
    packed = [each for _, evaluation in evaluations for each in _packed(evaluation)]
    if data.labels is not None:
        packed.append(data.labels)
    if any(len(each.shape) > MOST_DIMENSIONS for each in packed):
        yield f"a packed array has more than {MOST_DIMENSIONS} dimensions"
        return
    if sum(math.prod(each.shape) * _bytes_each(each) for each in packed) > MOST_UNPACKED:
        yield f"its packed arrays take more than {MOST_UNPACKED:,} bytes"
        return
    if data.labels is not None:
        yield from _of_packed("the labels", data.labels, data.samples)
    for case, evaluation in evaluations:
        yield from _of_evaluation(case, evaluation)


def _bytes_each(packed: Packed) -> int:
    """Bytes of one value; a dtype that is not one is refused where the array is unpacked."""
    try:
        return np.dtype(packed.dtype).itemsize
    except TypeError:
        return 1


def _packed(evaluation: Evaluation) -> list[Packed]:
    own = [] if evaluation.predictions is None else [evaluation.predictions]
    return [*evaluation.per_sample.values(), *own]


def _of_evaluation(case: str, evaluation: Evaluation) -> Iterator[str]:
    for name, value in (*evaluation.values.items(), *evaluation.reference_values.items()):
        if not math.isfinite(value):
            yield f"{name} of {case} is {value}"
    for name, count in evaluation.counts.items():
        if count > evaluation.samples:
            yield f"{name} of {case} counts {count} of {evaluation.samples} samples"
    for name, packed in evaluation.per_sample.items():
        yield from _of_packed(f"{name} of {case}", packed, evaluation.samples)
        if packed.dtype == "bool" and name in evaluation.counts:
            yield from _of_count(f"{name} of {case}", packed, evaluation.counts[name])
    if evaluation.predictions is not None:
        yield from _of_packed(f"the predictions of {case}", evaluation.predictions, evaluation.samples)
    yield from _of_classes(case, evaluation)


def _of_classes(case: str, evaluation: Evaluation) -> Iterator[str]:
    if (classes := evaluation.classes) is not None:
        number = len(classes.scores)
        if number > MOST_CLASSES:
            yield f"{case} has {number:,} classes; at most {MOST_CLASSES:,} are expected"
        if any(true >= number or given >= number for true, given, _ in classes.confusion):
            yield f"the confusion matrix of {case} has other classes than its {number}"


def _of_packed(name: str, packed: Packed, samples: int) -> Iterator[str]:
    if packed.shape[:1] != (samples,):
        yield f"{name} has the shape {packed.shape}; {samples} samples are expected"
        return
    try:
        packed.unpack()
    except CrossrtError as error:
        yield f"{name}: {error}"


def _of_count(name: str, packed: Packed, count: int) -> Iterator[str]:
    found = int(packed.unpack().sum())
    if found != count:
        yield f"{name} counts {count} samples and names {found}"
