"""Multilabel classification: any number of classes for each sample."""

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
from crossrt.datasets.tasks.agreement import AGREEMENT, MAX_ABS_ERROR, with_agreement
from crossrt.datasets.tasks.closeness import answers_sha256, compare
from crossrt.datasets.tasks.labels import required_labels
from crossrt.datasets.tasks.options import check_options
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.scores import score_kind
from crossrt.datasets.tasks.slices import VALUES, checked_samples, row_slices, squeezed


def _definition(name: str, label: str, description: str) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        label=label,
        unit="share",
        direction=BIGGER,
        description=description,
        format="percent",
        worse="less accurate",
        better="more accurate",
    )


SUBSET_ACCURACY: Final = msgspec.structs.replace(
    _definition("subset_accuracy", "subset accuracy", "Share of samples whose set of classes is exactly the label's."),
    judged_by="samples",
    paired_test="mcnemar",
    margin=0.001,
)
MICRO_F1: Final = _definition(
    "micro_f1",
    "micro F1",
    "F1 = 2 TP / (2 TP + FP + FN) over all samples and classes (as scikit-learn's f1_score with average='micro').",
)
MACRO_F1: Final = _definition(
    "macro_f1",
    "macro F1",
    "Mean over classes of F1 = 2 TP / (2 TP + FP + FN); 0 for a class that is never a label nor an answer"
    " (as scikit-learn's f1_score with average='macro').",
)
MEAN_AP: Final = _definition(
    "mean_ap",
    "mAP",
    "Mean over classes with at least one label of average precision, sum (R_n - R_{n-1}) P_n over thresholds"
    " (as scikit-learn's average_precision_score).",
)
SAME_CLASSES: Final = msgspec.structs.replace(
    AGREEMENT, description="Share of samples that get exactly the same set of classes as from the reference."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """Answers counted class by class, and which samples are wholly right."""

    hits: NDArray[np.int64]
    given: NDArray[np.int64]
    support: NDArray[np.int64]
    exact: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Multilabel:
    """Scores several classes per sample against labels of 0 and 1.

    Attributes:
        output: Name of the output with the scores, or None to find it.
    """

    output: str | None = None

    def with_options(self, options: Mapping[str, str]) -> Multilabel:
        """The same task with options: `output`.

        Raises:
            DataError: An option is unknown.
        """
        check_options(self.name, options, ("output",))
        return replace(self, output=options.get("output", self.output))

    @property
    def name(self) -> str:
        """The name in reports."""
        return "multilabel"

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """Accuracy, F1, average precision, and agreement with the reference."""
        return (SUBSET_ACCURACY, MICRO_F1, MACRO_F1, MEAN_AP, SAME_CLASSES, MAX_ABS_ERROR)

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks whether labels are 0 and 1 and have the shape of an output.

        Raises:
            DataError: They are missing or hold something else, or no output fits.
        """
        self._read(outputs, labels)

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
        name, truth = self._read(outputs if reference is None else reference, labels)
        kind = score_kind(squeezed((outputs if reference is None else reference)[name]))
        threshold = 0.0 if kind == "logits" else 0.5
        scores = squeezed(outputs[name])
        counts = _counted(scores, truth, threshold)
        plain = Evaluation(
            task=self.name,
            samples=len(truth),
            values=_values(counts, scores, truth),
            counts={"subset_accuracy": int(counts.exact.sum())},
            per_sample={"subset_accuracy": Packed.of(counts.exact)},
            answers_sha256=answers_sha256(outputs),
            notes=(_note(name, logits=kind == "logits"),),
        )
        if found is None or reference is None:
            return plain
        exact = squeezed(reference[name])
        expected = _values(_counted(exact, truth, threshold), exact, truth)
        evaluation = msgspec.structs.replace(plain, reference_values=expected)
        return with_agreement(evaluation, found, agrees=_same(scores, exact, threshold))

    def looks_like_chance(self, evaluation: Evaluation, labels: NDArray[Any]) -> str | None:
        """Why the answers say nothing, in one sentence, or None where they do.

        The mean average precision of random scores is the mean share of samples that have a class.
        """
        found = evaluation.values.get("mean_ap")
        shares = (squeezed(labels) != 0).mean(axis=0)
        if found is None or not (shares > 0).any():
            return None
        chance = float(shares[shares > 0].mean())
        if found > chance:
            return None
        return f"the reference's mean average precision of {found:.2%} is no better than random scores ({chance:.2%})"

    def _read(self, outputs: Outputs, labels: NDArray[Any] | None) -> tuple[str, NDArray[np.bool_]]:
        """The output that answers, and labels as booleans."""
        truth = squeezed(required_labels(self.name, labels, checked_samples(outputs)))
        if truth.ndim != 2:
            raise DataError(f"labels have the shape {truth.shape}; expected (samples, classes) of 0 and 1")
        odd = truth[(truth != 0) & (truth != 1)]
        if odd.size:
            raise DataError(f"labels hold {odd[0]} and {odd.size - 1} more values other than 0 and 1")
        return self._output(outputs, truth.shape), truth.astype(bool)

    def _output(self, outputs: Outputs, shape: tuple[int, ...]) -> str:
        if self.output is not None and self.output not in outputs:
            raise DataError(f"the model does not have an output {self.output!r}; available: {', '.join(outputs)}")
        names = [self.output] if self.output is not None else list(outputs)
        fitting = [n for n in names if outputs[n].dtype.kind in "biuf" and squeezed(outputs[n]).shape == shape]
        floats = [name for name in fitting if outputs[name].dtype.kind == "f"]
        best = floats or fitting
        shapes = ", ".join(f"{name} {outputs[name].dtype} {outputs[name].shape}" for name in best or names)
        if not best:
            raise DataError(f"labels of the shape {shape} do not fit any output; found {shapes}")
        if len(best) > 1:
            raise DataError(f"labels fit several outputs: {shapes}; name one, as in multilabel:output={best[0]}")
        return best[0]


def average_precision(labels: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """`sum (R_n - R_{n-1}) P_n` over the different scores, from the highest; equal scores share one threshold.

    Args:
        labels: `(samples,)`, with at least one True.
        scores: `(samples,)`; NaN counts as the lowest.
    """
    numbers = np.where(np.isnan(values := scores.astype(np.float64)), -np.inf, values)
    order = np.argsort(-numbers, kind="stable")
    numbers, right = numbers[order], labels[order]
    last = np.append(numbers[1:] != numbers[:-1], True)
    hits, given = np.cumsum(right)[last], (np.arange(len(right)) + 1)[last]
    return float((np.diff(hits, prepend=0) * hits / given).sum() / right.sum())


def _counted(scores: NDArray[Any], labels: NDArray[np.bool_], threshold: float) -> _Counts:
    classes = labels.shape[1]
    hits, given = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    exact = np.empty(len(labels), bool)
    for rows in row_slices(len(labels), classes):
        answers = scores[rows] > threshold
        hits += (answers & labels[rows]).sum(axis=0)
        given += answers.sum(axis=0)
        exact[rows] = (answers == labels[rows]).all(axis=1)
    return _Counts(hits=hits, given=given, support=labels.sum(axis=0), exact=exact)


def _values(counts: _Counts, scores: NDArray[Any], labels: NDArray[np.bool_]) -> dict[str, float]:
    whole = counts.given + counts.support
    precisions = _precisions(scores, labels)
    return {
        "subset_accuracy": float(counts.exact.mean()),
        "micro_f1": float(2 * counts.hits.sum() / max(1, whole.sum())),
        "macro_f1": float((2 * counts.hits / np.maximum(1, whole)).mean()),
        **({"mean_ap": float(np.mean(precisions))} if precisions else {}),
    }


def _precisions(scores: NDArray[Any], labels: NDArray[np.bool_]) -> list[float]:
    """Average precision of each class that is a label at least once; some columns are read at a time."""
    found = []
    width = max(1, VALUES // len(labels))
    for first in range(0, labels.shape[1], width):
        block = np.array(scores[:, first : first + width])
        for column in range(block.shape[1]):
            right = labels[:, first + column]
            if right.any():
                found.append(average_precision(right, block[:, column]))
    return found


def _same(one: NDArray[Any], other: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Which samples get the same classes from both."""
    same = np.empty(len(one), bool)
    for rows in row_slices(len(one), one.shape[1]):
        same[rows] = ((one[rows] > threshold) == (other[rows] > threshold)).all(axis=1)
    return same


def _note(output: str, *, logits: bool) -> str:
    if logits:
        return f"output {output!r} holds logits: a class is given where its score is above 0"
    return f"output {output!r} holds probabilities: a class is given where its score is above 0.5"
