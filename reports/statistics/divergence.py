"""How far the answers of two cases are apart, in outputs and in the classes and probabilities that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossrt.reports.schema.records import Distance

CHUNK: Final = 4096
"""Samples that are compared at a time: outputs may be larger than memory."""

_LEAST_PROBABILITY: Final = 1e-30

Logs = NDArray[np.float64]
ScoreKind = Literal["logits", "probabilities", "independent probabilities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutputs:
    """What a case answers to all samples.

    Attributes:
        case: Its id.
        outputs: By name, each `(samples, ...)`; they may be memory-mapped.
        steps: Scale of the integers that an output is made from, for outputs that come from integers.
        scores: The output that holds a score for each class, for tasks with classes.
        kind: What these scores are; the same for all cases of a run, as the reference's outputs say.
    """

    case: str
    outputs: Mapping[str, NDArray[Any]]
    steps: Mapping[str, float] = field(default_factory=dict)
    scores: str | None = None
    kind: ScoreKind = "logits"


@dataclass(slots=True)
class _Sums:
    """What is added up over the samples of a pair."""

    samples: int = 0
    alike: int = 0
    forward: float = 0.0
    back: float = 0.0
    signal: dict[str, float] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)


def distances(answers: Sequence[CaseOutputs]) -> tuple[Distance, ...]:
    """Each pair of cases with the same outputs once, in the order of the cases; None for what is not finite."""
    with np.errstate(all="ignore"):  # answers may hold NaN or infinite values: so do the sums then
        return _distances(answers)


def _distances(answers: Sequence[CaseOutputs]) -> tuple[Distance, ...]:
    pairs = [(one, other) for one, other in combinations(answers, 2) if _are_comparable(one, other)]
    sums = {(one.case, other.case): _Sums() for one, other in pairs}
    samples = max((len(array) for each in answers for array in each.outputs.values()), default=0)
    for start in range(0, samples, CHUNK):
        part = slice(start, start + CHUNK)
        logs = {each.case: _log_probabilities(each, part) for each in answers}
        classes = {each.case: _classes(each, part) for each in answers}
        for one, other in pairs:
            found = sums[one.case, other.case]
            _add_outputs(found, one, other, part)
            _add_classes(found, classes[one.case], classes[other.case])
            _add_divergence(found, logs[one.case], logs[other.case])
    return tuple(_distance(one, other, sums[one.case, other.case]) for one, other in pairs)


def _are_comparable(one: CaseOutputs, other: CaseOutputs) -> bool:
    """True if both have outputs of the same names and shapes, of numbers."""
    shapes = [
        {name: array.shape for name, array in each.outputs.items() if array.dtype.kind in "biuf"}
        for each in (one, other)
    ]
    return bool(shapes[0]) and shapes[0] == shapes[1]


def _scores(each: CaseOutputs, part: slice) -> NDArray[np.float64] | None:
    """`(samples, classes)`, or a single column for the score of class 1 of two; None for tasks without classes."""
    if each.scores is None:
        return None
    scores = np.asarray(each.outputs[each.scores][part], dtype=np.float64)
    return scores.reshape(len(scores), -1)


def _classes(each: CaseOutputs, part: slice) -> NDArray[np.int64] | None:
    scores = _scores(each, part)
    if scores is None:
        return None
    if scores.shape[1] == 1:
        return np.asarray(scores[:, 0] > (0.0 if each.kind == "logits" else 0.5), np.int64)
    return np.asarray(scores.argmax(axis=1), np.int64)


def _log_probabilities(each: CaseOutputs, part: slice) -> Logs | None:
    """Logarithms of probabilities that sum to one in each row; of independent ones both they and their complements.

    Integers have no smaller probability than half of their step.
    """
    scores = _scores(each, part)
    if scores is None:
        return None
    if each.kind == "logits":
        from scipy.special import log_expit, log_softmax  # not at import: see `student`

        if scores.shape[1] > 1:
            return np.asarray(log_softmax(scores, axis=1))
        return np.concatenate([log_expit(scores), log_expit(-scores)], axis=1)
    least = max(_LEAST_PROBABILITY, each.steps.get(each.scores or "", 0.0) / 2)
    shares = np.clip(scores, least, 1.0)
    if each.kind == "probabilities" and shares.shape[1] > 1:
        return np.asarray(np.log(shares / shares.sum(axis=1, keepdims=True)))
    return np.asarray(np.log(np.concatenate([shares, np.clip(1.0 - scores, least, 1.0)], axis=1)))


def _add_outputs(found: _Sums, one: CaseOutputs, other: CaseOutputs, part: slice) -> None:
    for name, array in one.outputs.items():
        if array.dtype.kind not in "biuf":
            continue
        first = np.asarray(array[part], dtype=np.float64)
        difference = first - np.asarray(other.outputs[name][part], dtype=np.float64)
        found.signal[name] = found.signal.get(name, 0.0) + float(np.square(first).sum())
        found.noise[name] = found.noise.get(name, 0.0) + float(np.square(difference).sum())
        found.largest[name] = float(
            np.maximum(found.largest.get(name, 0.0), np.abs(difference).max(initial=0.0))  # NaN stays NaN
        )


def _add_classes(found: _Sums, one: NDArray[np.int64] | None, other: NDArray[np.int64] | None) -> None:
    if one is not None and other is not None:
        found.samples += len(one)
        found.alike += int((one == other).sum())


def _add_divergence(found: _Sums, log_p: Logs | None, log_q: Logs | None) -> None:
    if log_p is not None and log_q is not None:
        found.forward += _divergence(log_p, log_q)
        found.back += _divergence(log_q, log_p)


def _divergence(log_p: Logs, log_q: Logs) -> float:
    """Sum over rows of `sum p log(p / q)` in nats; where p is 0, so is its term (Cover and Thomas, section 2.3)."""
    apart = np.where(np.isneginf(log_p), 0.0, log_p - log_q)
    return float(np.einsum("ij,ij->", np.exp(log_p), apart))


def mean_divergence(p: NDArray[np.float64], log_p: Logs, log_q: Logs) -> float:
    """Kullback-Leibler divergence `sum p log(p / q)` in nats, mean over rows; rounding cannot make it negative.

    Args:
        p: Probabilities, `(samples, classes)`.
        log_p: Their logarithms.
        log_q: Those of the other.
    """
    by_row = np.einsum("ij,ij->i", p, log_p - log_q)
    return max(0.0, float(by_row.mean()))


def _distance(one: CaseOutputs, other: CaseOutputs, found: _Sums) -> Distance:
    ratios = [math.sqrt(found.noise[name] / signal) for name, signal in found.signal.items() if signal > 0]
    has_classes = found.samples > 0
    return Distance(
        one=one.case,
        other=other.case,
        agreement=found.alike / found.samples if has_classes else None,
        relative=_finite(float(np.max(ratios)) if ratios else None),
        kl_nats=_finite(found.forward / found.samples, least=0.0) if has_classes else None,
        kl_back_nats=_finite(found.back / found.samples, least=0.0) if has_classes else None,
        max_steps=_finite(_steps(one, other, found)),
    )


def _finite(number: float | None, least: float = -math.inf) -> float | None:
    return max(least, number) if number is not None and math.isfinite(number) else None


def _steps(one: CaseOutputs, other: CaseOutputs, found: _Sums) -> float | None:
    """The largest difference in steps of the coarser output; where one comes from floats, in those of the other."""
    known = {name: [each.steps[name] for each in (one, other) if name in each.steps] for name in found.largest}
    return max((found.largest[name] / max(steps) for name, steps in known.items() if steps), default=None)
