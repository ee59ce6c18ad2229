"""How far two equal things were apart in a run, and what each runtime costs before any model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from crossrt.reports.schema.records import Control, Report, Result
from crossrt.reports.statistics.contrasts import by_round, contrasts
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
        ratio: Logarithm of the time of its twin over its own; the truth is 0.
    """

    case: str
    ratio: LogInterval

    @property
    def smallest_difference(self) -> float:
        """The smallest ratio minus 1 that 95 of 100 runs like this one would tell from none."""
        return math.expm1(self.ratio.resolution())


def noise_of(report: Report, scenario: Scenario) -> Noise | None:
    """The A/A control of a scenario; None where it has none, or fewer than two rounds."""
    cases = {result.case: result for result in report.results if scenario_of(result) == scenario}
    for control in report.controls:
        if control.kind == "twin" and control.of in cases:
            return _noise(control, cases[control.of])
    return None


def _noise(control: Control, result: Result) -> Noise | None:
    processes = [by_round(each.rounds, each.calls_per_block) for each in (control, result)]
    ratio = pooled_interval(contrasts(processes[:1], processes[1:]), ALPHA)
    return Noise(case=result.case, ratio=ratio) if math.isfinite(ratio.half) else None


def floors_of(report: Report, scenario: Scenario) -> dict[str, Estimate]:
    """Median latency in nanoseconds of a model that only copies its input, by runtime."""
    batch_size, threads, io = scenario
    return {
        control.of: over_rounds([percentile(each.latency_ns, 50) or 1.0 for each in control.rounds])
        for control in report.controls
        if control.rounds
        and control.kind == "floor"
        and (control.batch_size, control.threads, "float32") == (batch_size, threads, io)
    }


def disturbances(report: Report) -> tuple[int, int, int]:
    """Blocks that were timed, that were hit and timed again, and that were hit twice and kept."""
    rounds = [each for result in report.results for each in result.rounds]
    rounds += [each for control in report.controls for each in control.rounds]
    repeated, kept = sum(each.repeated_blocks for each in rounds), sum(len(each.disturbed_blocks) for each in rounds)
    return len(rounds) * report.run.settings.blocks_per_round, repeated, kept
