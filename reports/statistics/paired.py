"""Changes of answers to the same samples: right or wrong by McNemar and Tango, numbers by Student's t."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.reports.statistics.student import t_quantile, t_tail

_BISECTIONS: Final = 60
LABEL: Final = -1
"""Stands for the label in predictions of version 1, which hold only what was given to samples answered wrongly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedChange:
    """How a mean over the same samples changed.

    Attributes:
        change: Of the mean, current minus baseline.
        lower: Lower bound of the change.
        upper: Upper bound.
        p_value: Two-sided: the chance of a change as large if there were none.
        samples: Samples in all.
        broken: Samples that were right before and are wrong now; None for numbers.
        fixed: The other way round; None for numbers.
        is_identical: True if all outputs are bit-identical. That is not a certainty by itself: outputs that are classes
            are bit-identical wherever no sample changed.
    """

    change: float
    lower: float
    upper: float
    p_value: float
    samples: int
    broken: int | None = None
    fixed: int | None = None
    is_identical: bool = False

    @property
    def is_distinguished(self) -> bool:
        """True if the interval says that there is a change."""
        return self.lower > 0 or self.upper < 0


def paired_change(
    baseline: Evaluation, current: Evaluation, definition: MetricDefinition, alpha: float
) -> PairedChange | None:
    """Pairs two evaluations sample by sample; None where one of them does not hold what its samples contribute.

    An interval is never conditional on the samples that changed: with none it is as wide as the samples are few.

    Args:
        baseline: Answers before.
        current: Answers to the same samples now.
        definition: The metric, which names the test.
        alpha: Chance of error on each side of the interval.
    """
    before, after = (each.per_sample.get(definition.name) for each in (baseline, current))
    if before is None or after is None or before.shape != after.shape or definition.paired_test is None:
        return None
    if definition.paired_test == "mcnemar":
        found = paired_shares(before.unpack().astype(bool), after.unpack().astype(bool), alpha)
    elif baseline.samples < 2:
        return None
    else:
        found = paired_numbers(before.unpack(), after.unpack(), alpha)
    is_identical = bool(baseline.answers_sha256) and baseline.answers_sha256 == current.answers_sha256
    return replace(found, is_identical=is_identical)


def paired_shares(before: NDArray[np.bool_], after: NDArray[np.bool_], alpha: float) -> PairedChange:
    """The change of a share of samples that are right: exact McNemar test, Tango's score interval."""
    broken, fixed, samples = int((before & ~after).sum()), int((after & ~before).sum()), before.size
    lower, upper = tango_interval(fixed, broken, samples, alpha)
    return PairedChange(
        change=(fixed - broken) / samples,
        lower=lower,
        upper=upper,
        p_value=exact_mcnemar(fixed, broken),
        samples=samples,
        broken=broken,
        fixed=fixed,
    )


def exact_mcnemar(fixed: int, broken: int) -> float:
    """The two-sided p-value of the exact McNemar test: a coin that falls as unevenly, or more so."""
    fewer, changed = min(fixed, broken), fixed + broken
    from scipy import special  # not at import: see `student`

    return min(1.0, 2 * float(special.bdtr(fewer, changed, 0.5))) if changed else 1.0


def tango_interval(fixed: int, broken: int, samples: int, alpha: float) -> tuple[float, float]:
    """The score interval of `(fixed - broken) / samples`, for paired shares.

    It holds whatever the number of samples that changed: with none the change is still uncertain by about
    `z**2 / samples` on each side. Source: Tango (1998), Statistics in Medicine 17, 891-908, recommended by Fagerland,
    Lydersen and Laake (2014), Statistics in Medicine 33, 2850-2875.

    Args:
        fixed: Samples that became right.
        broken: Samples that became wrong.
        samples: Samples in all.
        alpha: Chance of error on each side.
    """
    z = t_quantile(1 - alpha, math.inf)
    upper = _tango_bound(fixed, broken, samples, z)
    return -_tango_bound(broken, fixed, samples, z), upper


def _tango_bound(gained: int, lost: int, samples: int, z: float) -> float:
    """The largest change that the score test does not reject, by bisection: the score falls as the change grows."""
    low, high = (gained - lost) / samples, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _score(gained, lost, samples, middle) >= -z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(gained: int, lost: int, samples: int, change: float) -> float:
    """Observed minus supposed change over its standard error, where the share that was lost is most likely."""
    a = 2 * samples
    b = -gained - lost + (2 * samples - gained + lost) * change
    c = -lost * change * (1 - change)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = samples * (2 * share + change * (1 - change))
    difference = gained - lost - samples * change
    if variance <= 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(variance)


def paired_numbers(before: NDArray[Any], after: NDArray[Any], alpha: float) -> PairedChange:
    """The change of a mean of numbers: Student's t on the differences of the samples, which have to be at least two."""
    differences = (np.asarray(after, np.float64) - np.asarray(before, np.float64)).ravel()
    count, change = differences.size, float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    half = t_quantile(1 - alpha, count - 1) * error
    p_value = 2 * t_tail(abs(change) / error, count - 1) if error else float(change == 0)
    return PairedChange(change=change, lower=change - half, upper=change + half, p_value=p_value, samples=count)


def answered_alike(one: Evaluation, other: Evaluation) -> NDArray[np.bool_] | None:
    """Samples to which both give the same answer, `(samples,)`; None where predictions are missing or do not pair."""
    if one.predictions is None or other.predictions is None or one.predictions.shape != other.predictions.shape:
        return None
    first, second = one.predictions.unpack(), other.predictions.unpack()
    alike = first == second
    if (first == LABEL).any() or (second == LABEL).any():
        alike |= ((first == LABEL) & _right(other, alike)) | ((second == LABEL) & _right(one, alike))
    return np.asarray(alike, bool)


def _right(evaluation: Evaluation, otherwise: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found = evaluation.per_sample.get("top1")
    return otherwise if found is None else np.asarray(found.unpack(), bool)
