"""What a search is asked for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject, WorkerLimits, at_least
from crossrt.harness.process.affinity import check_threads

DEFAULT_TIME_S: Final = 300.0
LEAST_TIME_S: Final = 10.0
LONGEST_TIME_S: Final = 7 * 86_400.0
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_DROP: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(pp|%|)")


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
            HarnessError: Percentage points are asked of what is no share, or percent of what is one.
        """
        if metric.unit == "share":
            if self.unit == "%":
                raise HarnessError(
                    f"--max-drop {100 * self.value:g}% of {metric.label}, which is a share itself: write"
                    f" {100 * self.value:g}pp for percentage points"
                )
            return self.value
        if self.unit == "pp":
            raise HarnessError(
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
        """Raises `HarnessError` for a number that means nothing."""
        if self.min_speedup is not None and not 0 < self.min_speedup < math.inf:
            raise HarnessError(f"--min-speedup is {self.min_speedup!r}; expected a number above 0")
        if self.max_size is not None and not 0 < self.max_size <= 1:
            raise HarnessError(
                f"--max-size is {self.max_size!r}; expected a share of the float file, above 0 and up to 1"
            )
        if not 0 <= self.drop.value < 1:
            raise HarnessError(f"--max-drop is {self.drop}; expected 0 or more and below 100")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A search.

    Attributes:
        subject: The model, data and calibration data.
        budget: What the file has to keep to.
        out: Folder for the best file, the report and the plot.
        time_s: How long the search may take, once the float ONNX file is there.
        held_out: Share of the samples that the search never sees, and that the verdict rests on.
        resumes: Go on with what `out` holds.
        batch_size: Samples of a timed call, or None for 1 or the model's own.
        threads: Threads per operator.
        seed: Of the cut into parts and of all orders.
        limits: What a worker may take.
    """

    subject: Subject
    budget: Budget
    out: Path
    time_s: float = DEFAULT_TIME_S
    held_out: float = 0.5
    resumes: bool = False
    batch_size: int | None = None
    threads: int = 1
    seed: int = 0
    limits: WorkerLimits = field(default_factory=WorkerLimits)

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a number that means nothing, or more threads than this machine can run."""
        at_least("threads", self.threads, 1)
        check_threads(self.threads)
        at_least("seed", self.seed, 0)
        if not LEAST_TIME_S <= self.time_s <= LONGEST_TIME_S:
            raise HarnessError(
                f"--time is {self.time_s:g} s; expected {LEAST_TIME_S:g} s to {LONGEST_TIME_S / 86_400:g} days"
            )
        if not 0.1 <= self.held_out <= 0.9:
            raise HarnessError(f"--held-out is {self.held_out:g}; expected a share of the samples from 0.1 to 0.9")


def drop_in(value: str | float) -> Drop:
    """`0.2pp`, `0.5%` or a number; raises `HarnessError` for anything else."""
    match = _DROP.fullmatch(str(value).strip())
    if match is None:
        raise HarnessError(
            f"--max-drop is {value!r}; expected 0.2pp (percentage points of a share) or 1% (percent of another number)"
        )
    unit = match[2]
    return Drop(value=float(match[1]) / 100, unit="pp" if unit == "pp" else "%" if unit == "%" else "")


def seconds_in(value: str | float) -> float:
    """`90s`, `10m`, `1h` or a number of seconds; raises `HarnessError` for anything else."""
    match = _TIME.fullmatch(str(value).strip())
    if match is None:
        raise HarnessError(f"--time is {value!r}; expected seconds, or a number with s, m or h, such as 10m")
    return float(match[1]) * _SECONDS[match[2]]
