"""Accuracy over the same digits."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

from crossrt.reports.schema.records import Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """How the answers to the same digits changed.

    Attributes:
        broken: Digits that were called right before and are called wrong now.
        fixed: The other way round.
        samples: Digits in all.
        p_value: Two-sided exact McNemar test: the chance of flips as one-sided as these if neither were better.
        lower: Lower bound of the change of top-1, as a share of the digits.
        upper: Upper bound.
    """

    broken: int
    fixed: int
    samples: int
    p_value: float
    lower: float
    upper: float

    @property
    def change(self) -> float:
        """Change of top-1, as a share of the digits."""
        return (self.fixed - self.broken) / self.samples


def flips(baseline: Accuracy, current: Accuracy, alpha: float) -> Flips | None:
    """Pairs the answers digit by digit; None where a report does not say which digits were called wrong.

    The interval is that of Clopper and Pearson (1934) for the share of flips that fix, given their number: with no
    flips at all the change is exactly 0.

    Args:
        baseline: Answers before.
        current: Answers to the same digits now.
        alpha: Chance of error on each side of the interval.
    """
    if baseline.misclassified is None or current.misclassified is None or baseline.samples != current.samples:
        return None
    before, after = ({index for index, _ in each.misclassified or ()} for each in (baseline, current))
    broken, fixed = len(after - before), len(before - after)
    number = broken + fixed
    if number == 0:
        return Flips(broken=0, fixed=0, samples=current.samples, p_value=1.0, lower=0.0, upper=0.0)
    low = float(special.betaincinv(fixed, broken + 1, alpha)) if fixed else 0.0
    high = float(special.betaincinv(fixed + 1, broken, 1 - alpha)) if broken else 1.0
    scale = number / current.samples
    return Flips(
        broken=broken,
        fixed=fixed,
        samples=current.samples,
        p_value=min(1.0, 2 * float(special.bdtr(min(fixed, broken), number, 0.5))),
        lower=(2 * low - 1) * scale,
        upper=(2 * high - 1) * scale,
    )
