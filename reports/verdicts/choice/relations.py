"""How two cases of one report stand to each other in latency, size and accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from crossrt.core.metric import SMALLER
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.intervals import LogInterval
from crossrt.reports.statistics.noise import DECIDING_ALPHA as ALPHA
from crossrt.reports.statistics.noise import latency_ratio
from crossrt.reports.statistics.paired import PairedChange, paired_change
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.order import Order, order_of

Relation = Literal["better", "even", "worse", "undecided"]
_BY_ORDER: Final[Mapping[Order, Relation]] = {
    "faster": "better",
    "slower": "worse",
    "even": "even",
    "undecided": "undecided",
}
MEASURES: Final = ("latency", "size", "accuracy")

LEAST_SIZE: Final = 0.01
"""Sizes that differ by less, as a share of the larger, count as even."""

LEAST_ERROR: Final = 1e-5
"""Relative errors below are those of float arithmetic and count as none."""

LEAST_FACTOR: Final = 1.01
"""Relative errors that differ by a smaller factor count as even."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """One case seen from another: better, worse, statistically indistinguishable, or unknown for want of rounds."""

    latency: Relation
    size: Relation
    accuracy: Relation

    @property
    def dominates(self) -> bool:
        """True if it is worse in nothing, as far as that is known, and better in something."""
        found = (self.latency, self.size, self.accuracy)
        return "worse" not in found and "undecided" not in found and "better" in found


class Relating:
    """Compares the cases of a report; those of one scenario shared their rounds."""

    def __init__(self, report: Report) -> None:
        self.look = Lookup(report)
        self._beats: dict[tuple[str, str], bool] = {}
        self._latencies: dict[tuple[str, str], Relation] = {}
        self._accuracies: dict[tuple[str, str], Relation] = {}

    def relations(self, one: Result, other: Result) -> Relations:
        """How `one` stands to `other`."""
        return Relations(
            latency=self.latency(one, other), size=self._size(one, other), accuracy=self.accuracy(one, other)
        )

    def beats(self, one: Result, other: Result) -> bool:
        """True if `one` is worse in nothing and better in something; what is quickest to find out is asked first."""
        pair = (one.case, other.case)
        if pair not in self._beats:
            may = self._size(one, other) != "worse" and self.latency(one, other) in ("better", "even")
            self._beats[pair] = may and self.relations(one, other).dominates
        return self._beats[pair]

    def latency(self, one: Result, other: Result) -> Relation:
        """By the rule of all tables, `order_of`."""
        pair = (one.case, other.case)
        if pair not in self._latencies:
            self._latencies[pair] = _BY_ORDER[order_of(self.look, one, other)]
        return self._latencies[pair]

    def latency_ratio(self, one: Result, other: Result) -> LogInterval:
        """Logarithm of the time of `one` over that of `other`, paired block by block."""
        return latency_ratio(one, other)

    def _size(self, one: Result, other: Result) -> Relation:
        sizes = [self.look.metric(each, "size_bytes") for each in (one, other)]
        if sizes[0] is None or sizes[1] is None:
            return "even"
        first, second = sizes[0].value, sizes[1].value
        if abs(first - second) < LEAST_SIZE * max(first, second) or first == second:
            return "even"
        return "better" if first < second else "worse"

    def change(self, baseline: Result, current: Result) -> PairedChange | None:
        """Change of the metric that the task is about, over the same samples; None where samples are not known."""
        definition, before, after = self.look.primary, baseline.evaluation, current.evaluation
        if definition is None or before is None or after is None:
            return None
        return paired_change(before, after, definition, ALPHA)

    def accuracy(self, one: Result, other: Result) -> Relation:
        """By a paired test of the metric that the task is about; without one, by the relative error of the outputs."""
        pair = (one.case, other.case)
        if pair not in self._accuracies:
            self._accuracies[pair] = self._accuracy(one, other)
        return self._accuracies[pair]

    def _accuracy(self, one: Result, other: Result) -> Relation:
        definition = self.look.primary
        found = self.change(other, one)
        if definition is None or found is None:
            has_test = definition is not None and definition.paired_test is not None
            return "even" if has_test else _by_error(relative_error(one), relative_error(other))
        if not found.is_distinguished:
            return "even"
        return "better" if (found.upper < 0) == (definition.direction == SMALLER) else "worse"


def relative_error(result: Result) -> float | None:
    """The largest over outputs of the norm of the error, as a share of that of the reference's output."""
    if result.evaluation is None:
        return None
    known = [each.relative for each in result.evaluation.outputs if each.relative is not None]
    return max(known, default=None)


def _by_error(one: float | None, other: float | None) -> Relation:
    if one is None or other is None:
        return "even"
    first, second = max(one, LEAST_ERROR), max(other, LEAST_ERROR)
    if max(first, second) < LEAST_FACTOR * min(first, second):
        return "even"
    return "better" if first < second else "worse"
