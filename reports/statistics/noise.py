"""How far two equal things were apart in a run, and what a call costs on each runtime before any model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossrt.reports.schema.records import Control, Report, Result
from crossrt.reports.statistics.contrasts import calls_of, round_contrasts
from crossrt.reports.statistics.estimates import CONFIDENCE, Estimate, over_rounds, percentile
from crossrt.reports.statistics.intervals import LogInterval, pooled_interval
from crossrt.reports.statistics.metrics import scenario_of

ALPHA: Final = (1 - CONFIDENCE) / 2
Scenario = tuple[int, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A case timed twice in the same rounds.

    Attributes:
        case: The case.
        ratio: Logarithm of the time of its A/A replicate over its own; the truth is 0.
    """

    case: str
    ratio: LogInterval

    @property
    def smallest_difference(self) -> float:
        """The smallest ratio minus 1 that 95 of 100 runs like this one would distinguish from none."""
        return math.expm1(self.ratio.resolution())


DECIDING_ALPHA: Final = 0.005
"""Chance of error on each side of the interval by which two cases of a run are distinguished, in every command."""


class _Same:
    """A result as a key of a cache: the object itself, as a hash of its calls would take as long as what is saved."""

    def __init__(self, result: Result) -> None:
        self.result = result

    def __hash__(self) -> int:
        return id(self.result)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.result is other.result


def latency_ratio(one: Result, other: Result) -> LogInterval:
    """Logarithm of the time of `one` over that of `other`, paired block by block."""
    return _kept_ratio(_Same(one), _Same(other))


@lru_cache(maxsize=1024)
def _kept_ratio(one: _Same, other: _Same) -> LogInterval:
    """Several tables, and the advice below them, ask for the same pairs."""
    return pooled_interval(round_contrasts([one.result.rounds], [other.result.rounds]), DECIDING_ALPHA)


def is_distinguished(ratio: LogInterval, noise: Noise | None) -> bool:
    """Whether both the interval of a ratio of times and the noise of the run say that it is not 1."""
    smallest = math.log1p(noise.smallest_difference) if noise else 0.0
    return math.isfinite(ratio.half) and ratio.excludes_zero and abs(ratio.mean) > smallest


def noise_of(report: Report, scenario: Scenario) -> Noise | None:
    """The A/A control of a scenario; None where it has none, or fewer than two rounds."""
    cases = {result.case: result for result in report.results if scenario_of(result) == scenario}
    for control in report.controls:
        if control.kind == "replicate" and control.of in cases:
            return _noise(control, cases[control.of])
    return None


def _noise(replicate: Control, result: Result) -> Noise | None:
    ratio = pooled_interval(round_contrasts([replicate.rounds], [result.rounds]), ALPHA)
    return Noise(case=result.case, ratio=ratio) if math.isfinite(ratio.half) else None


def call_overheads(report: Report, scenario: Scenario) -> dict[str, Estimate]:
    """Median latency in nanoseconds of a call of a no-op model, by runtime."""
    batch_size, threads, io = scenario
    return {
        control.of: over_rounds([percentile(calls_of(each), 50) or 1.0 for each in control.rounds])
        for control in report.controls
        if control.rounds
        and control.kind == "noop"
        and (control.batch_size, control.threads, "float32") == (batch_size, threads, io)
    }


def disturbances(report: Report) -> tuple[int, int, int]:
    """Blocks that were timed, that were hit and timed again, and that were hit twice and kept."""
    rounds = [each for result in report.results for each in result.rounds]
    rounds += [each for control in report.controls for each in control.rounds]
    repeated, kept = sum(each.repeated_blocks for each in rounds), sum(len(each.disturbed_blocks) for each in rounds)
    return sum(len(each.blocks_ns) for each in rounds), repeated, kept
