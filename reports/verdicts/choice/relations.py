"""How two cases of one report stand to each other in latency, size and accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from crossrt.reports.schema.records import Report, Result
from crossrt.reports.statistics.contrasts import Logs, by_round, contrasts
from crossrt.reports.statistics.intervals import LogInterval, pooled_interval
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.verdicts.comparison.answers import flips

Relation = Literal["better", "even", "worse"]
ALPHA: Final = 0.005
"""Chance of error on each side of an interval: few of many pairs are told apart by chance."""

MEASURES: Final = ("latency", "size", "accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """One case seen from another: better, worse, or not told apart."""

    latency: Relation
    size: Relation
    accuracy: Relation

    @property
    def dominates(self) -> bool:
        """True if it is worse in nothing and better in something."""
        found = (self.latency, self.size, self.accuracy)
        return "worse" not in found and "better" in found


class Relating:
    """Compares the cases of a report; those of one scenario shared their rounds."""

    def __init__(self, report: Report) -> None:
        self.look = Lookup(report)
        self._beats: dict[tuple[str, str], bool] = {}
        self._latencies: dict[tuple[str, str], Relation] = {}
        self._logs: dict[tuple[str, int], Mapping[int, Logs]] = {}

    def relations(self, one: Result, other: Result) -> Relations:
        """How `one` stands to `other`."""
        return Relations(
            latency=self.latency(one, other), size=self._size(one, other), accuracy=self._accuracy(one, other)
        )

    def beats(self, one: Result, other: Result) -> bool:
        """True if `one` is worse in nothing and better in something; what is quickest to tell is asked first."""
        pair = (one.case, other.case)
        if pair not in self._beats:
            may = self._size(one, other) != "worse" and self.latency(one, other) != "worse"
            self._beats[pair] = may and self.relations(one, other).dominates
        return self._beats[pair]

    def latency(self, one: Result, other: Result) -> Relation:
        """By their ratio over shared rounds: told apart where its interval and the run's noise both allow it."""
        pair = (one.case, other.case)
        if pair not in self._latencies:
            self._latencies[pair] = self._latency(one, other)
        return self._latencies[pair]

    def latency_ratio(self, one: Result, other: Result) -> LogInterval:
        """Logarithm of the time of `one` over that of `other`, paired block by block."""
        used = min(one.calls_per_block, other.calls_per_block)
        return pooled_interval(contrasts([self._by_round(one, used)], [self._by_round(other, used)]), ALPHA)

    def _latency(self, one: Result, other: Result) -> Relation:
        ratio = self.latency_ratio(one, other)
        noise = self.look.noise(scenario_of(one))
        smallest = math.log1p(noise.smallest_difference) if noise else 0.0
        if not math.isfinite(ratio.half) or not ratio.excludes_zero or abs(ratio.mean) <= smallest:
            return "even"
        return "better" if ratio.mean < 0 else "worse"

    def _by_round(self, result: Result, used: int) -> Mapping[int, Logs]:
        key = (result.case, used)
        if key not in self._logs:
            self._logs[key] = by_round(result.rounds, result.calls_per_block, used)
        return self._logs[key]

    def _size(self, one: Result, other: Result) -> Relation:
        sizes = [self.look.metric(each, "size_bytes") for each in (one, other)]
        if sizes[0] is None or sizes[1] is None or sizes[0].value == sizes[1].value:
            return "even"
        return "better" if sizes[0].value < sizes[1].value else "worse"

    def _accuracy(self, one: Result, other: Result) -> Relation:
        """By the digits on which they differ: exact McNemar."""
        if one.accuracy is None or other.accuracy is None:
            return "even"
        found = flips(other.accuracy, one.accuracy, ALPHA)
        if found is None or found.lower <= 0 <= found.upper:
            return "even"
        return "better" if found.lower > 0 else "worse"
