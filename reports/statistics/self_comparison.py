"""What an A/A comparison says: of two equal things, whether the machine let them look equal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from crossrt.reports.schema.exclusive import SelfComparison
from crossrt.reports.schema.records import Round
from crossrt.reports.statistics.contrasts import Contrast, round_contrasts
from crossrt.reports.statistics.intervals import LogInterval, pooled_interval
from crossrt.reports.statistics.noise import ALPHA

LARGEST_BIAS: Final = 0.02
"""A difference of two equals, as a logarithm, beyond which a reader is warned where its interval leaves out 0."""


def compared_with_itself(case: str, one: Sequence[Round], other: Sequence[Round]) -> SelfComparison:
    """The record of two sets of processes of one case in the same rounds."""
    found = round_contrasts([other], [one])
    return SelfComparison(case=case, ratios=tuple((each.value, each.error) for each in found))


def interval_of(found: SelfComparison) -> LogInterval:
    """The 99% interval of the logarithm of the ratio, whose truth is 0."""
    return pooled_interval([Contrast(value=value, error=error) for value, error in found.ratios], ALPHA)


def differs(found: SelfComparison) -> bool:
    """True if the interval says that the two are not equal, by more than 2%."""
    interval = interval_of(found)
    return interval.excludes_zero and abs(interval.mean) > LARGEST_BIAS


def change_text(found: SelfComparison) -> str:
    """`+0.3% ±0.8%`; a single round has no interval."""
    interval = interval_of(found)
    half = f"±{100 * math.expm1(interval.half):.1f}%" if math.isfinite(interval.half) else "(no interval)"
    return f"{100 * math.expm1(interval.mean):+z.1f}% {half}"
