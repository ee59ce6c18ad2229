"""Scores of a classifier, from its logits and from its confusion matrix."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.schema.records import Accuracy, ClassScore


def judge_logits(
    logits: NDArray[np.float32], labels: NDArray[np.uint8], reference: NDArray[np.float32] | None
) -> Accuracy:
    """Compares answers with the labels and with the Keras model's own answers.

    Args:
        logits: float32 `(samples, classes)`.
        labels: `(samples,)`, the true classes.
        reference: Keras's logits, like `logits`, where known.
    """
    called = logits.argmax(axis=1)
    confusion = confusion_matrix(labels, called, classes=logits.shape[1])
    return Accuracy(
        samples=len(labels),
        correct=int(np.trace(confusion)),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        per_class=class_scores(confusion),
        logits_sha256=hashlib.sha256(np.ascontiguousarray(logits).tobytes()).hexdigest(),
        reference_correct=None if reference is None else int((reference.argmax(axis=1) == labels).sum()),
        agreement=None if reference is None else float((reference.argmax(axis=1) == called).mean()),
        max_abs_error=None if reference is None else float(np.abs(logits - reference).max()),
        misclassified=tuple((int(index), int(called[index])) for index in np.flatnonzero(called != labels)),
        sqnr_db=None if reference is None else _sqnr_db(reference, logits),
    )


def _sqnr_db(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float | None:
    """Signal-to-quantization-noise ratio; None where there is no noise or no signal."""
    signal = float(np.square(exact.astype(np.float64)).sum())
    noise = float(np.square(exact.astype(np.float64) - found).sum())
    return 10 * math.log10(signal / noise) if signal and noise and math.isfinite(noise) else None


def confusion_matrix(labels: NDArray[np.uint8], called: NDArray[np.intp], *, classes: int) -> NDArray[np.int64]:
    """Counts `(classes, classes)`: row is the true class, column what it was called."""
    pairs = labels.astype(np.int64) * classes + called
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class; 0 where a class was never called or never there."""
    hits, called, support = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    precision = hits / np.maximum(called, 1)
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(called + support, 1)
    return tuple(
        ClassScore(precision=float(p), recall=float(r), f1=float(f), support=int(n))
        for p, r, f, n in zip(precision, recall, f1, support, strict=True)
    )
