"""What a file has to keep to."""

from __future__ import annotations

import math
import re
from typing import Final, Literal

from msgspec import Struct

from crossrt.core.errors import CrossrtError
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition

_DROP: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(pp|%|)")


class BudgetError(CrossrtError):
    """A budget that means nothing, or that does not fit the metric."""


class Drop(Struct, frozen=True, kw_only=True):
    """What may be lost of the task's first metric.

    Attributes:
        value: Percentage points over 100 for a share, else the share of the float model's own value.
        unit: As the user wrote it: `pp`, `%` or nothing.
    """

    value: float
    unit: Literal["pp", "%", ""] = "pp"

    def allowed(self, metric: MetricDefinition, baseline: Evaluation) -> float:
        """The loss that is allowed, in the metric's own unit.

        Raises:
            BudgetError: Percentage points are asked of what is not a share, or percent of what is one.
        """
        if metric.unit == "share":
            if self.unit == "%":
                raise BudgetError(
                    f"--max-drop {100 * self.value:g}% of {metric.label}, which is a share itself: write"
                    f" {100 * self.value:g}pp for percentage points"
                )
            return self.value
        if self.unit == "pp":
            raise BudgetError(
                f"--max-drop {100 * self.value:g}pp: {metric.label} is not a share; write {100 * self.value:g}% for"
                " percent of the float model's value"
            )
        return self.value * abs(baseline.values[metric.name])

    def __str__(self) -> str:
        return f"{100 * self.value:g}{self.unit or 'pp'}"


class Budget(Struct, frozen=True, kw_only=True):
    """What a file has to keep to.

    Attributes:
        drop: What may be lost of the task's first metric.
        min_speedup: Time of the float file over that of the file, at least; None for a file that may be slower.
        max_size: Its size over that of the float file, at most; None for any.
    """

    drop: Drop
    min_speedup: float | None = 1.0
    max_size: float | None = None

    def __post_init__(self) -> None:
        """Raises `BudgetError` for a number that means nothing."""
        if self.min_speedup is not None and not 0 < self.min_speedup < math.inf:
            raise BudgetError(f"--min-speedup is {self.min_speedup!r}; expected a number above 0")
        if self.max_size is not None and not 0 < self.max_size <= 1:
            raise BudgetError(
                f"--max-size is {self.max_size!r}; expected a share of the float file, above 0 and up to 1"
            )
        if not 0 <= self.drop.value < 1:
            raise BudgetError(f"--max-drop is {self.drop}; expected 0 or more and below 100")


def drop_in(value: str | float) -> Drop:
    """`0.2pp`, `0.5%` or a number; raises `BudgetError` for anything else."""
    match = _DROP.fullmatch(str(value).strip())
    if match is None:
        raise BudgetError(
            f"--max-drop is {value!r}; expected 0.2pp (percentage points of a share) or 1% (percent of another number)"
        )
    unit = match[2]
    return Drop(value=float(match[1]) / 100, unit="pp" if unit == "pp" else "%" if unit == "%" else "")
