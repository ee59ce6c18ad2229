"""Whether candidates keep to a budget, and which of them comes first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossrt.analysis.search.budget import Budget
from crossrt.analysis.search.result import Candidate, Loss, Speed

SAFER_DB: Final = 6.0
"""Half the noise: answers change where noise is larger than the distance to the next one, so about half as many do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A budget in numbers.

    Attributes:
        budget: What was asked for.
        allowed: The loss that is allowed, in the metric's own unit.
        float_size_bytes: Size of the float file.
        is_strict: Whether the samples of the search are enough for the strict bound.
    """

    budget: Budget
    allowed: float
    float_size_bytes: int
    is_strict: bool

    def accuracy(self, loss: Loss | None) -> bool:
        """Whether the bound of a loss is within the budget."""
        return loss is not None and loss.upper <= self.allowed

    def surely(self, candidate: Candidate) -> bool:
        """The same by the strict bound, where samples are enough for that."""
        if self.is_strict and candidate.strict_upper is not None:
            return candidate.strict_upper <= self.allowed
        return self.accuracy(candidate.loss)

    def expected_upper(self, candidate: Candidate) -> float:
        """The bound of the loss that is to be expected on other samples, in the metric's own unit.

        A loss below zero is luck that other samples do not repeat; how wide its interval is depends on how many answers
        changed, and stays.
        """
        loss = candidate.loss
        return math.inf if loss is None else max(loss.loss, 0.0) + loss.upper - loss.loss

    def sureness(self, candidate: Candidate) -> tuple[float, float]:
        """The greatest is the one to rely on for other samples.

        Noise is measured over many values, and says how many answers will change; how many did change is a small
        count, by which one is lucky that will not be so again.
        """
        return candidate.sqnr_db or 0.0, -self.expected_upper(candidate)

    def is_safer(self, candidate: Candidate, sqnr_db: float) -> bool:
        """Whether a candidate keeps its accuracy and has half the noise of one that lost too much on other samples."""
        return self.accuracy(candidate.loss) and (candidate.sqnr_db or 0.0) >= sqnr_db + SAFER_DB

    def size(self, size_bytes: int) -> bool:
        """Whether a file is small enough."""
        return self.budget.max_size is None or size_bytes <= self.budget.max_size * self.float_size_bytes

    def speed(self, speed: Speed | None) -> bool:
        """Whether the interval of a speed-up lies at or above what is asked for."""
        least = self.budget.min_speedup
        return least is None or (speed is not None and speed.lower >= least)

    def may_be_fast(self, speed: Speed | None) -> bool:
        """Whether a speed-up that is not sure yet is worth being confirmed in fresh rounds."""
        least = self.budget.min_speedup
        return least is None or (speed is not None and speed.ratio >= least)

    def is_slower(self, candidate: Candidate) -> bool:
        """Whether a file is known to be slower than the float file, and may not be."""
        return self.budget.min_speedup is not None and candidate.speed is not None and candidate.speed.upper < 1

    def can_be_best(self, candidate: Candidate) -> bool:
        """Whether a candidate may be saved at all."""
        return candidate.problem is None and candidate.loss is not None and not self.is_slower(candidate)

    def rank(self, candidate: Candidate) -> tuple[bool, bool, bool, float, float]:
        """For comparing candidates that can be best: the greatest is the best so far."""
        assert candidate.loss is not None
        keeps = self.accuracy(candidate.loss)
        ratio = candidate.speed.ratio if candidate.speed is not None else 0.0
        return (
            keeps and self.size(candidate.size_bytes),
            keeps and self.speed(candidate.speed),
            keeps,
            ratio if keeps else 0.0,
            -candidate.loss.upper,
        )

    def best(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The best so far, or None where nothing can be saved."""
        return max(filter(self.can_be_best, candidates), key=self.rank, default=None)

    def nearest(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The candidate whose largest violation of the budget is the smallest, or None where none was scored.

        Those that were timed come first, where the budget asks for a speed; of equals the smaller file.
        """
        scored = [each for each in candidates if each.problem is None and each.loss is not None]
        is_timed = self.budget.min_speedup is not None
        return min(
            scored,
            key=lambda each: (is_timed and each.speed is None, self.violation(each), each.size_bytes),
            default=None,
        )

    def violation(self, candidate: Candidate) -> float:
        """By what share of its limit a candidate misses loss, speed-up or size, the worst of them; 0 for none."""
        loss, speed, budget = candidate.loss, candidate.speed, self.budget
        assert loss is not None
        found = [0.0]
        if loss.upper > self.allowed:
            found.append(loss.upper / self.allowed - 1 if self.allowed > 0 else math.inf)
        if budget.min_speedup is not None and speed is not None:
            found.append(budget.min_speedup / speed.lower - 1 if speed.lower > 0 else math.inf)
        if budget.max_size is not None:
            found.append(candidate.size_bytes / (budget.max_size * self.float_size_bytes) - 1)
        return max(found)

    def finalists(self, candidates: Sequence[Candidate], *, untimed: bool = False) -> list[Candidate]:
        """Those that keep to the budget on the samples of the search, in the order in which they are confirmed.

        Those that do so by the strict bound and are surely fast enough come first; then the fastest. Among those whose
        intervals overlap with that of the fastest, the one with the fewest units in float or in 16 bits comes first,
        then the smallest by whole percents of the float file.

        Args:
            candidates: All of them.
            untimed: Whether those that nobody timed may be among them, behind all others: fresh rounds time them.
        """
        fitting = [
            each
            for each in candidates
            if self.can_be_best(each)
            and self.accuracy(each.loss)
            and self.size(each.size_bytes)
            and (self.may_be_fast(each.speed) or (untimed and each.speed is None))
        ]
        least = max((each.speed.lower for each in fitting if each.speed is not None), default=0.0)

        def order(each: Candidate) -> tuple[bool, bool, bool, bool, int, float, float]:
            is_unknown = untimed and each.speed is None and self.budget.min_speedup is not None
            ratio = each.speed.ratio if each.speed is not None else 0.0
            is_fast = each.speed is not None and each.speed.upper >= least
            counts = is_fast or is_unknown
            mixed = len(each.float_units) + len(each.wide_units) if counts else 0
            size = round(each.size_bytes / self.float_size_bytes, 2) if counts else 0.0
            return (is_unknown, not self.surely(each), not self.speed(each.speed), not is_fast, mixed, size, -ratio)

        return sorted(fitting, key=order)
