"""Answers of schema version 1 as the evaluation of a classification."""

from __future__ import annotations

from statistics import fmean
from typing import Final

import numpy as np

from crossrt.core.evaluation import ClassDetails, Evaluation, OutputError, Packed
from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.version1 import Accuracy1

TASK: Final = "classification"

TASK_METRICS: Final = (
    MetricDefinition(
        name="top1",
        label="top-1",
        unit="share",
        direction=BIGGER,
        description="share of samples whose highest score is their label",
        format="percent",
        judged_by="samples",
        paired_test="mcnemar",
        margin=0.001,
        worse="less accurate",
        better="more accurate",
    ),
    MetricDefinition(
        name="macro_f1",
        label="F1",
        unit="share",
        direction=BIGGER,
        description="mean of F1 over the classes",
        format="percent",
        judged_by="difference",
        worse="less accurate",
        better="more accurate",
    ),
    MetricDefinition(
        name="agreement",
        label="agreement",
        unit="share",
        direction=BIGGER,
        description="share of samples that get the class that the reference gives them",
        format="percent",
        judged_by="difference",
        margin=0.001,
        worse="agrees less",
        better="agrees more",
    ),
    MetricDefinition(
        name="max_abs_error",
        label="max error",
        unit="logit",
        direction=SMALLER,
        description="largest absolute difference of a logit from the reference's",
        judged_by="ratio",
        worse="farther off",
        better="nearer",
    ),
)
"""What version 1 scored."""


def evaluation_of(old: Accuracy1, case: str, output: str) -> Evaluation:
    """Answers as a classification scores them.

    Args:
        old: Answers.
        case: Whose they are, for messages.
        output: Name of the model's output.
    """
    _check(old, case)
    values = {"top1": old.correct / old.samples}
    counts = {"top1": old.correct}
    if old.per_class:
        values["macro_f1"] = fmean(score.f1 for score in old.per_class)
    if old.agreement is not None:
        values["agreement"] = old.agreement
        counts["agreement"] = round(old.agreement * old.samples)
    if old.max_abs_error is not None:
        values["max_abs_error"] = old.max_abs_error
    is_right, predictions = _answers(old)
    return Evaluation(
        task=TASK,
        samples=old.samples,
        values=values,
        counts=counts,
        per_sample={"top1": is_right} if is_right else {},
        predictions=predictions,
        reference_values={} if old.reference_correct is None else {"top1": old.reference_correct / old.samples},
        outputs=_output_errors(old, output),
        classes=_classes(old),
        answers_sha256=old.logits_sha256,
    )


def _answers(old: Accuracy1) -> tuple[Packed | None, Packed | None]:
    """Which samples are right, and the class given to each: -1 for the label, which version 1 does not hold."""
    if old.misclassified is None:
        return None, None
    predictions = np.full(old.samples, -1, np.int32)
    for index, given in old.misclassified:
        predictions[index] = given
    return Packed.of(predictions < 0), Packed.of(predictions)


def _classes(old: Accuracy1) -> ClassDetails | None:
    if not old.per_class:
        return None
    cells = ((true, given, count) for true, row in enumerate(old.confusion) for given, count in enumerate(row) if count)
    return ClassDetails(scores=old.per_class, confusion=tuple(cells))


def _output_errors(old: Accuracy1, output: str) -> tuple[OutputError, ...]:
    """The ratio of the norms follows from the signal-to-noise ratio; the mean error is not known."""
    if old.max_abs_error is None:
        return ()
    relative = None if old.sqnr_db is None else 10 ** (-old.sqnr_db / 20)
    return (OutputError(output=output, max_abs=old.max_abs_error, relative=relative, sqnr_db=old.sqnr_db),)


def _check(old: Accuracy1, case: str) -> None:
    """Refuses counts that contradict each other: they cannot be turned into answers to samples."""
    if old.correct > old.samples or (old.reference_correct or 0) > old.samples:
        raise ReportError(f"{case} answers {old.correct} of {old.samples} samples right")
    classes = len(old.per_class)
    if any(len(row) != classes for row in old.confusion) or len(old.confusion) != classes:
        raise ReportError(f"the confusion matrix of {case} is not {classes} × {classes}, as its classes are")
    if old.misclassified is None:
        return
    wrong = {index for index, _ in old.misclassified}
    if len(wrong) != old.samples - old.correct or len(wrong) < len(old.misclassified):
        raise ReportError(f"{case} names {len(old.misclassified)} wrong answers and counts others")
    if any(index >= old.samples for index in wrong):
        raise ReportError(f"{case} names wrong answers to samples that do not exist")
