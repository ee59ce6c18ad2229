"""Kullback-Leibler divergence between the scores of two cases, for logits and for probabilities."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.scores import ScoreKind, score_kind
from crossrt.datasets.tasks.slices import finite, row_slices, squeezed, width_of

SMALLEST: Final = 2.0**-24
"""Probabilities below it count as it: half the spacing of float32 below 1; quantized ones are often exactly 0."""
_LARGEST_LOGIT: Final = 1e9


def divergence(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Mean over samples of `sum p log(p / q)` in nats, p of `one` and q of `other`.

    Whether scores are logits or probabilities is found for each of the two. Logits go through a softmax (a sigmoid
    where there is one score per sample); probabilities are raised to `SMALLEST` and divided by their sum, so that
    independent ones, such as sigmoids, are compared as shares of their sum. A sample with NaN counts as knowing
    nothing: all of its classes are equally probable.

    Args:
        one: `(samples, classes)`, or one score per sample of class 1 of two; dimensions of size 1 do not matter.
        other: Of the same shape.

    Raises:
        DataError: Shapes differ, or these are not scores of classes.
    """
    one, other = squeezed(one), squeezed(other)
    if one.shape != other.shape:
        raise DataError(f"scores of the shapes {one.shape} and {other.shape} cannot be compared; the same is expected")
    kinds = score_kind(one), score_kind(other)
    if one.ndim not in (1, 2) or "classes" in kinds:
        raise DataError(f"a divergence needs scores of classes; found {one.dtype} {one.shape} and {other.dtype}")
    total = 0.0
    for rows in row_slices(len(one), max(2, width_of(one))):
        log_p, log_q = _log_shares(one[rows], kinds[0]), _log_shares(other[rows], kinds[1])
        total += float(np.einsum("ij,ij->", np.exp(log_p), log_p - log_q))
    return finite(max(0.0, total / max(1, len(one))))


def _log_shares(scores: NDArray[Any], kind: ScoreKind) -> NDArray[np.float64]:
    """Logarithms of probabilities `(samples, classes)`; each row sums to 1."""
    values = scores.astype(np.float64)
    if values.ndim == 1:
        values = np.stack([np.zeros_like(values) if kind == "logits" else 1 - values, values], axis=1)
    values[np.isnan(values).any(axis=1)] = 1.0
    if kind != "logits":
        values = np.log(np.clip(values, SMALLEST, None))
    values = np.clip(values, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    values -= values.max(axis=1, keepdims=True)
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
    return values
