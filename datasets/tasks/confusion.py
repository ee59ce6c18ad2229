"""Answers class by class: precision, recall, F1 and the confusion matrix, for any number of classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossrt.core.evaluation import ClassDetails, ClassScore


def class_details(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> ClassDetails:
    """Precision, recall and F1 of each class, and the cells of the confusion matrix that are not 0."""
    hits, given, support = _tallies(labels, predictions, classes)
    precision, recall = hits / np.maximum(given, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(given + support, 1)
    columns = (each.tolist() for each in (precision, recall, f1, support))
    pairs, counts = np.unique(labels * classes + predictions, return_counts=True)
    cells = zip((pairs // classes).tolist(), (pairs % classes).tolist(), counts.tolist(), strict=True)
    return ClassDetails(
        scores=tuple(ClassScore(precision=p, recall=r, f1=f, support=n) for p, r, f, n in zip(*columns, strict=True)),
        confusion=tuple(cells),
    )


def macro_scores(labels: NDArray[np.int64], predictions: NDArray[np.int64]) -> dict[str, float]:
    """Mean F1, precision and recall over the classes that are a label or an answer, by the names of the metrics."""
    hits, given, support = _tallies(labels, predictions, int(max(labels.max(), predictions.max())) + 1)
    present = given + support > 0
    return {
        "macro_f1": float((2 * hits[present] / (given + support)[present]).mean()),
        "macro_precision": float((hits / np.maximum(given, 1))[present].mean()),
        "macro_recall": float((hits / np.maximum(support, 1))[present].mean()),
    }


def _tallies(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each class: how often rightly given, how often given, how often the label."""
    hits = np.bincount(labels[labels == predictions], minlength=classes)
    return hits, np.bincount(predictions, minlength=classes), np.bincount(labels, minlength=classes)
