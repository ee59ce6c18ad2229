"""What a metric is: the one place that every table, gate, page and export reads."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Direction = Literal["smaller_is_better", "bigger_is_better"]
NumberFormat = Literal[
    "percent", "decimal", "significant", "count", "microseconds", "milliseconds", "kilobytes", "megabytes"
]
PairedTest = Literal["mcnemar", "paired-t"]
Judgement = Literal["rounds", "samples", "ratio", "difference"]

SMALLER: Final[Direction] = "smaller_is_better"
BIGGER: Final[Direction] = "bigger_is_better"


class MetricDefinition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric.

    Attributes:
        name: Its identifier, such as `latency_p50_ns` or `top1`.
        label: Heading of a column, without the unit, such as `p50` or `top-1`.
        unit: Unit of stored values, such as `ns`, `bytes`, `share`, `ratio`, or a word of the task's own.
        direction: Which way is better.
        description: One sentence that says how it is computed.
        format: How values are written: `percent` multiplies shares by 100; `decimal` has two decimals, `significant`
            three significant digits; the others convert nanoseconds and bytes.
        judged_by: How two runs are compared: over rounds by an interval, over the same samples by `paired_test`, or by
            the plain ratio or difference, for metrics without chance. None is never judged.
        paired_test: The test of samples: `mcnemar` for right or wrong, `paired-t` for numbers.
        margin: How much worse it may become by default, as a share of the baseline or, for shares, as a difference;
            None is not judged unless the user asks for it.
        worse: The word for a change to the worse, such as `slower`.
        better: The word for a change to the better.
    """

    name: Annotated[str, Meta(min_length=1)]
    label: str
    unit: str
    direction: Direction
    description: str = ""
    format: NumberFormat = "significant"
    judged_by: Judgement | None = None
    paired_test: PairedTest | None = None
    margin: float | None = None
    worse: str = "worse"
    better: str = "better"
