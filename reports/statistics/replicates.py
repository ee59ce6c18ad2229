"""What the A/A replicate of a case says of its scenarios."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from crossrt.reports.schema.scenarios import Offline, ScenarioOutcome, Server
from crossrt.reports.statistics.estimates import over_rounds
from crossrt.reports.statistics.scenarios import main_metric, times_of

LARGEST_DIFFERENCE: Final = 0.10
"""Of a case and its A/A replicate, as a logarithm, up to which nothing is wrong: by so much even runs may differ."""


def replicate_ratio(outcome: ScenarioOutcome) -> float | None:
    """The main metric of the A/A replicate, as a ratio of times to the case's own; None without one."""
    name = main_metric(outcome)
    own, again = times_of(outcome).get(name, {}), times_of(outcome, "replicate").get(name, {})
    shared = own.keys() & again.keys()
    return math.exp(fmean(math.log(again[each] / own[each]) for each in shared)) if shared else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateChange:
    """How a case's A/A replicate, which is equal to it, did in a scenario.

    Attributes:
        change: The replicate's value over the case's own, minus 1.
        is_rate: Whether that is one of rates, and not one of times.
        is_allowed: False where the two differ by more than the interval of the case's own value lets expect.
    """

    change: float
    is_rate: bool
    is_allowed: bool


def replicate_change(outcome: ScenarioOutcome) -> ReplicateChange | None:
    """What the A/A replicate says of an outcome; None without one.

    The mean of n rounds and that of n others of the same spread differ by the square root of 2 times half of a Student
    t interval of one of them, with the same chance of error.
    """
    ratio, name = replicate_ratio(outcome), main_metric(outcome)
    if ratio is None:
        return None
    own = over_rounds(list(times_of(outcome)[name].values()))
    half = math.inf if own.upper is None else math.log(own.upper / own.value)
    is_rate = isinstance(outcome, (Server, Offline))
    return ReplicateChange(
        change=(1 / ratio if is_rate else ratio) - 1,
        is_rate=is_rate,
        is_allowed=abs(math.log(ratio)) <= max(math.sqrt(2) * half, LARGEST_DIFFERENCE),
    )
