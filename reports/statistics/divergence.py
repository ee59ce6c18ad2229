"""How far the logits of two cases are apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from crossrt.reports.schema.records import Distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Logits:
    """What a case answers to all test digits.

    Attributes:
        case: Its id.
        values: float32 `(samples, classes)`.
        step: Scale of the integers that the values are made from; None where they come from floats.
    """

    case: str
    values: NDArray[np.float32]
    step: float | None = None


def distances(answers: Iterable[Logits]) -> tuple[Distance, ...]:
    """Each pair once, in the order of the cases."""
    known = [(each, log_softmax(each.values.astype(np.float64), axis=1)) for each in answers]
    shares = {each.case: np.exp(log_p) for each, log_p in known}
    return tuple(
        Distance(
            one=one.case,
            other=other.case,
            kl_nats=mean_divergence(shares[one.case], log_p, log_q),
            kl_back_nats=mean_divergence(shares[other.case], log_q, log_p),
            max_steps=_steps(one, other),
        )
        for (one, log_p), (other, log_q) in combinations(known, 2)
    )


def mean_divergence(p: NDArray[np.float64], log_p: NDArray[np.float64], log_q: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence `sum p log(p / q)` in nats, mean over rows; rounding cannot make it negative.

    Args:
        p: Probabilities, `(samples, classes)`.
        log_p: Their logarithms.
        log_q: Those of the other.
    """
    by_row = np.einsum("ij,ij->i", p, log_p - log_q)
    return max(0.0, float(by_row.mean()))


def _steps(one: Logits, other: Logits) -> float | None:
    """The largest difference in steps of the coarser output; where one comes from floats, in those of the other."""
    known = [each.step for each in (one, other) if each.step is not None]
    return float(np.abs(one.values - other.values).max()) / max(known) if known else None
