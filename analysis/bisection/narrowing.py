"""Where the change can still be, and which release tells most about that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.analysis.bisection.record import Step, StepVerdict

ANSWERS_SHARE: Final = 0.5
"""Of the difference of the ends: outputs farther than this from the good end are like the bad one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Releases between which the change is.

    Attributes:
        last_good: The last one that is known to be like the good end.
        first_bad: The first one behind it that is known to be like the bad end.
        open: Those between them: untried, or tried in vain.
        untried: Those of them that were not tried.
    """

    last_good: str
    first_bad: str
    open: tuple[str, ...]
    untried: tuple[str, ...]

    @property
    def next(self) -> str | None:
        """The untried release that is nearest to the middle; None where there is none."""
        if not self.untried:
            return None
        middle = (len(self.open) - 1) / 2
        return min(self.untried, key=lambda version: abs(self.open.index(version) - middle))


def range_of(releases: Sequence[str], steps: Sequence[Step]) -> Range:
    """Where the change is.

    Args:
        releases: All from the good end to the bad end, both included.
        steps: What was tried.
    """
    verdicts: dict[str, StepVerdict] = {step.version: step.verdict for step in steps}
    bad = next((i for i, each in enumerate(releases) if verdicts.get(each) == "like bad"), len(releases) - 1)
    good = max((i for i, each in enumerate(releases[:bad]) if verdicts.get(each) == "like good"), default=0)
    between = tuple(releases[good + 1 : bad])
    return Range(
        last_good=releases[good],
        first_bad=releases[bad],
        open=between,
        untried=tuple(each for each in between if each not in verdicts),
    )


def step_margin(ratio: float) -> float:
    """The margin within which a version counts as one end: half of what the ends differ by, as logarithms.

    What lies within it of the good end is nearer to that, and what lies beyond it is nearer to the bad one.
    """
    return math.expm1(abs(math.log(ratio)) / 2)


def answers_differ(step: Step, tolerance: float) -> bool:
    """True if outputs differ by more than the tolerance, or a sample is answered otherwise."""
    is_other = step.agreement is not None and step.agreement < 1
    return is_other or (step.relative is not None and step.relative > tolerance)


def answers_verdict(step: Step, ends: Step) -> StepVerdict:
    """The side of a version by its answers: both ends give the same ones each time, so that half-way is a clear cut."""
    if step.relative is not None and ends.relative:
        return "like bad" if step.relative > ANSWERS_SHARE * ends.relative else "like good"
    if step.agreement is not None and ends.agreement is not None:
        return "like bad" if 1 - step.agreement > ANSWERS_SHARE * (1 - ends.agreement) else "like good"
    return "inconclusive"
