"""Classification: one class for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import BIGGER, MetricDefinition
from crossrt.datasets.tasks.agreement import MAX_ABS_ERROR, SAME_CLASS, with_agreement
from crossrt.datasets.tasks.closeness import answers_sha256, compare
from crossrt.datasets.tasks.confusion import class_details, macro_scores
from crossrt.datasets.tasks.labels import MOST_CLASSES, check_range, check_width, class_labels
from crossrt.datasets.tasks.options import check_options, positive_integer
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.scores import ClassScores, find_scores
from crossrt.datasets.tasks.slices import checked_samples

_CERTAINTY: Final = 0.05

TOP1: Final = MetricDefinition(
    name="top1",
    label="top-1",
    unit="share",
    direction=BIGGER,
    description="Share of samples whose class with the highest score is the label; of equal scores, the first wins.",
    format="percent",
    judged_by="samples",
    paired_test="mcnemar",
    margin=0.001,
    worse="less accurate",
    better="more accurate",
)
MACRO_F1: Final = MetricDefinition(
    name="macro_f1",
    label="macro F1",
    unit="share",
    direction=BIGGER,
    description=(
        "Mean over classes of F1 = 2 TP / (2 TP + FP + FN), over those that are a label or an answer"
        " (as scikit-learn's f1_score with average='macro')."
    ),
    format="percent",
    worse="less accurate",
    better="more accurate",
)
MACRO_PRECISION: Final = MetricDefinition(
    name="macro_precision",
    label="macro precision",
    unit="share",
    direction=BIGGER,
    description=(
        "Mean over classes of TP / (TP + FP), 0 for a class that is never the answer, over those that are a label or an"
        " answer (as scikit-learn's precision_score with average='macro')."
    ),
    format="percent",
    worse="less precise",
    better="more precise",
)
MACRO_RECALL: Final = MetricDefinition(
    name="macro_recall",
    label="macro recall",
    unit="share",
    direction=BIGGER,
    description=(
        "Mean over classes of TP / (TP + FN), 0 for a class that is never the label, over those that are a label or an"
        " answer (as scikit-learn's recall_score with average='macro')."
    ),
    format="percent",
    worse="lower recall",
    better="higher recall",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What one case answers: the class of each sample, and whether the label is among the k highest."""

    scores: ClassScores
    classes: int
    predictions: NDArray[np.int64]
    among: NDArray[np.bool_] | None
    unusual: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Scores classes against integer labels.

    Attributes:
        output: Name of the output with the scores, or None to find it.
        top_k: The k of the second accuracy, reported where there are more than k classes.
    """

    output: str | None = None
    top_k: int = 5

    def with_options(self, options: Mapping[str, str]) -> Classification:
        """The same task with options: `output`, `top_k`.

        Raises:
            DataError: An option is unknown, or its value cannot be used.
        """
        check_options(self.name, options, ("output", "top_k"))
        top_k = positive_integer(self.name, "top_k", options["top_k"]) if "top_k" in options else self.top_k
        return replace(self, output=options.get("output", self.output), top_k=top_k)

    @property
    def name(self) -> str:
        """The name in reports."""
        return "classification"

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """Accuracy, F1, precision, recall, and agreement with the reference."""
        extra = () if self.top_k == 1 else (_top(self.top_k),)
        return (TOP1, *extra, MACRO_F1, SAME_CLASS, MAX_ABS_ERROR, MACRO_PRECISION, MACRO_RECALL)

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks whether labels and outputs fit.

        Raises:
            DataError: Labels are missing or outside the classes, or no output holds classes.
        """
        self._read(outputs, labels)

    def class_scores(self, outputs: Outputs, labels: NDArray[Any] | None = None) -> ClassScores:
        """The output that is scored, such as for `divergence`.

        Raises:
            DataError: No output fits, or several do.
        """
        known = None if labels is None else class_labels(self.name, labels, checked_samples(outputs))[0]
        return find_scores(outputs, known, self.output)

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Scores answers; see the protocol.

        Raises:
            DataError: Labels or outputs do not fit, or differ in shape from the reference's.
        """
        found = compare(outputs, reference, steps) if reference is not None else None
        truth, scores, notes = self._read(reference if reference is not None else outputs, labels)
        answers = self._answers(scores.like(outputs[scores.output]), truth)
        plain = self._scored(answers, truth, answers_sha256(outputs), notes)
        if found is None or reference is None:
            return plain
        expected = self._answers(scores, truth)
        evaluation = msgspec.structs.replace(plain, reference_values=self._values(expected, truth)[0])
        return with_agreement(evaluation, found, agrees=answers.predictions == expected.predictions)

    def looks_like_chance(self, evaluation: Evaluation, labels: NDArray[Any]) -> str | None:
        """Why the answers say nothing, or None where they do: see the function."""
        return looks_like_chance(evaluation, labels)

    def _read(
        self, outputs: Outputs, labels: NDArray[Any] | None
    ) -> tuple[NDArray[np.int64], ClassScores, tuple[str, ...]]:
        """Labels as classes, the output that answers, and notes on both."""
        truth, notes = class_labels(self.name, labels, checked_samples(outputs))
        scores = find_scores(outputs, truth, self.output)
        if scores.kind != "classes":  # of which only those that are answered are known
            check_width(labels, scores.classes, scores.output)
        check_range(truth, _classes(scores, truth), scores.output)
        return truth, scores, (scores.note, *notes)

    def _answers(self, scores: ClassScores, labels: NDArray[np.int64]) -> _Answers:
        classes = _classes(scores, labels)
        if scores.kind == "classes":
            predictions = scores.values.astype(np.int64)
            return _Answers(scores=scores, classes=classes, predictions=predictions, among=None, unusual=0)
        predictions = np.empty(len(labels), np.int64)
        among = np.empty(len(labels), bool) if 1 < self.top_k < classes else None
        unusual = 0
        for rows, piece in scores.pieces():
            predictions[rows] = piece.argmax(axis=1)
            unusual += int(np.isneginf(piece[:, 1:] if scores.is_single else piece).all(axis=1).sum())
            if among is not None:
                among[rows] = _rank(piece, labels[rows]) < self.top_k
        return _Answers(scores=scores, classes=classes, predictions=predictions, among=among, unusual=unusual)

    def _scored(self, answers: _Answers, labels: NDArray[np.int64], sha256: str, notes: tuple[str, ...]) -> Evaluation:
        values, counts = self._values(answers, labels)
        per_sample = {"top1": Packed.of(answers.predictions == labels)}
        if answers.among is not None:
            per_sample[f"top{self.top_k}"] = Packed.of(answers.among)
        if answers.unusual:
            notes = (*notes, f"{answers.unusual} samples have no score that is a number; they count as class 0")
        return Evaluation(
            task=self.name,
            samples=len(labels),
            values=values,
            counts=counts,
            per_sample=per_sample,
            predictions=Packed.of(answers.predictions.astype(np.min_scalar_type(answers.classes - 1))),
            classes=class_details(labels, answers.predictions, answers.classes),
            answers_sha256=sha256,
            notes=notes,
        )

    def _values(self, answers: _Answers, labels: NDArray[np.int64]) -> tuple[dict[str, float], dict[str, int]]:
        counts = {"top1": int((answers.predictions == labels).sum())}
        if answers.among is not None:
            counts[f"top{self.top_k}"] = int(answers.among.sum())
        values = {name: count / len(labels) for name, count in counts.items()}
        return {**values, **macro_scores(labels, answers.predictions)}, counts


def looks_like_chance(evaluation: Evaluation, labels: NDArray[Any]) -> str | None:
    """Why a classifier's answers say nothing, in one sentence, or None where they do.

    Its answers are compared with those of always answering the most frequent label, over the same samples
    (exact McNemar test, two-sided, 5%).
    """
    if evaluation.predictions is None:
        return None
    truth, _ = class_labels(evaluation.task, labels, evaluation.samples)
    predictions = evaluation.predictions.unpack().astype(np.int64)
    present, counts = np.unique(truth, return_counts=True)
    most = int(present[counts.argmax()])
    share, constant = float((predictions == truth).mean()), float(counts.max() / truth.size)
    if len(present) == 1:
        return f"all {truth.size} labels are class {most}: accuracy cannot tell a good model from a constant answer"
    if (predictions == predictions[0]).all():
        return f"the reference answers class {predictions[0]} to all {truth.size} samples"
    always = f"always answering the most frequent class, {most}, which is right for {constant:.2%}"
    if share <= constant:
        return f"the reference's top-1 accuracy of {share:.2%} is no better than {always}"
    if _mcnemar(predictions == truth, truth == most) > _CERTAINTY:
        return f"the reference's top-1 accuracy of {share:.2%} is statistically indistinguishable from {always}"
    return None


def _top(k: int) -> MetricDefinition:
    return MetricDefinition(
        name=f"top{k}",
        label=f"top-{k}",
        unit="share",
        direction=BIGGER,
        description=f"Share of samples whose label is among the {k} classes with the highest scores.",
        format="percent",
        judged_by="samples",
        paired_test="mcnemar",
        margin=0.001,
        worse="less accurate",
        better="more accurate",
    )


def _rank(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many classes come before the label; of equal scores, the first comes first, as for argmax."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    before = (scores > own) | ((scores == own) & earlier)
    return np.asarray(before.sum(axis=1), np.int64)


def _classes(scores: ClassScores, labels: NDArray[np.int64]) -> int:
    """Number of classes; an output of classes has as many as it and the labels name."""
    if scores.kind != "classes":
        return scores.classes
    lowest, highest = int(scores.values.min()), int(scores.values.max())
    if lowest < 0 or highest >= MOST_CLASSES:
        raise DataError(
            f"output {scores.output!r} answers integers from {lowest} to {highest}; classes from 0 to"
            f" {MOST_CLASSES - 1} are expected"
        )
    return min(MOST_CLASSES, max(scores.classes, int(labels.max()) + 1))


def _mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Exact p-value of as many samples that only one is right for as only the other is."""
    from scipy import special  # not at import: it takes as long as everything else together

    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    return min(1.0, 2 * float(special.bdtr(min(wins, losses), wins + losses, 0.5)))  # 1.0 where there are none
