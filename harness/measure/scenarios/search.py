"""The highest rate that is held: bracketed from a first guess, then bisected on a logarithmic scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

RESOLUTION: Final = 0.02
"""The search ends where the lowest rate that was not held is at most so much above the highest that was."""

FIRST_STEP: Final = 1.5
MOST_BELOW: Final = 1e-3
"""The search gives up below this part of the first guess."""

MOST_TRIALS: Final = 40


@dataclass(slots=True, kw_only=True)
class RateSearch:
    """Says which rate is tried next, and is told what came of it.

    Attributes:
        guess: The first rate.
        step: The factor of the first step away from it; the power of 1.5 of the last for each further one.
        resolution: See `RESOLUTION`.
        held: The highest rate that was held, or None.
        missed: The lowest that was not, or None.
    """

    guess: float
    step: float = FIRST_STEP
    resolution: float = RESOLUTION
    held: float | None = None
    missed: float | None = None
    _tried: int = field(default=0)

    @property
    def is_bracketed(self) -> bool:
        """Whether there is a rate that was held, and one that was not."""
        return self.held is not None and self.missed is not None

    def next_rate(self) -> float | None:
        """What to try; None where the search is over."""
        if self._tried >= MOST_TRIALS:
            return None
        if self.held is None and self.missed is None:
            return self.guess
        if self.missed is None:
            return (self.held or self.guess) * self.step
        if self.held is None:
            lowest = self.guess * MOST_BELOW
            return max(self.missed / self.step, lowest) if self.missed > lowest else None
        return math.sqrt(self.held * self.missed) if self.missed > self.held * (1 + self.resolution) else None

    def tell(self, rate: float, *, is_held: bool) -> None:
        """What came of a trial."""
        self._tried += 1
        if is_held:
            self.held = max(rate, self.held or 0.0)
        else:
            self.missed = min(rate, self.missed or math.inf)
        if self.held is None or self.missed is None:
            self.step **= 1.5
