"""What a search is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crossrt.analysis.search.budget import Budget
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject, WorkerLimits, at_least
from crossrt.harness.process.affinity import check_threads

DEFAULT_TIME_S: Final = 300.0
LEAST_TIME_S: Final = 10.0
LONGEST_TIME_S: Final = 7 * 86_400.0
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


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


def seconds_in(value: str | float) -> float:
    """`90s`, `10m`, `1h` or a number of seconds; raises `HarnessError` for anything else."""
    match = _TIME.fullmatch(str(value).strip())
    if match is None:
        raise HarnessError(f"--time is {value!r}; expected seconds, or a number with s, m or h, such as 10m")
    return float(match[1]) * _SECONDS[match[2]]
