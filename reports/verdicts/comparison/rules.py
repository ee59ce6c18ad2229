"""Margins: how much worse a metric may become before that is a regression."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from crossrt.reports.errors import ReportError
from crossrt.reports.text.patterns import case_matches

Kind = Literal["time", "ratio", "share", "digits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How a metric is judged, and the words for its verdicts.

    Attributes:
        kind: `time` from rounds by an interval; `digits` over the same digits by McNemar's test; `ratio` and `share`
            by the plain change, for they are free of noise.
        worse: The word for a change to the worse.
        better: The word for a change to the better.
    """

    kind: Kind
    worse: str
    better: str


METRICS: Final = {
    "latency_p50_ns": Judged(kind="time", worse="slower", better="faster"),
    "latency_p90_ns": Judged(kind="time", worse="slower", better="faster"),
    "latency_p99_ns": Judged(kind="time", worse="slower", better="faster"),
    "latency_mean_ns": Judged(kind="time", worse="slower", better="faster"),
    "load_ns": Judged(kind="time", worse="slower", better="faster"),
    "first_run_ns": Judged(kind="time", worse="slower", better="faster"),
    "peak_memory_bytes": Judged(kind="ratio", worse="more", better="less"),
    "size_bytes": Judged(kind="ratio", worse="larger", better="smaller"),
    "integer_kernels": Judged(kind="ratio", worse="fewer", better="more"),
    "float_kernels": Judged(kind="ratio", worse="more", better="fewer"),
    "conversion_kernels": Judged(kind="ratio", worse="more", better="fewer"),
    "max_abs_error": Judged(kind="ratio", worse="farther off", better="nearer"),
    "top1": Judged(kind="digits", worse="less accurate", better="more accurate"),
    "macro_f1": Judged(kind="share", worse="less accurate", better="more accurate"),
    "agreement_fp32": Judged(kind="share", worse="agrees less", better="agrees more"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A margin for some metrics of some cases; None does not judge them.

    Times, sizes and memory have it as a share of the baseline, accuracy and agreement in shares of the digits.
    """

    metrics: str
    margin: float | None
    cases: str = "*"


DEFAULT_RULES: Final = (
    Rule(metrics="*", margin=None),
    Rule(metrics="latency_p50_ns", margin=0.05),
    Rule(metrics="load_ns", margin=0.50),
    Rule(metrics="first_run_ns", margin=0.50),
    Rule(metrics="peak_memory_bytes", margin=0.10),
    Rule(metrics="size_bytes", margin=0.01),
    Rule(metrics="integer_kernels", margin=0.0),
    Rule(metrics="float_kernels", margin=0.0),
    Rule(metrics="top1", margin=0.001),
    Rule(metrics="agreement_fp32", margin=0.001),
)

_RULE = re.compile(r"(?:(?P<cases>[^:=]+):)?(?P<metrics>[\w*?]+)=(?P<margin>[0-9.]+%?|off)")


def parse_rule(text: str) -> Rule:
    """`[CASES:]METRIC=PERCENT%`, or `=off`; patterns are those of a shell.

    Raises:
        ReportError: It is written otherwise, or names no metric that can be judged.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise ReportError(
            f"the margin {text!r} is not written [CASES:]METRIC=PERCENT%, such as latency_p50_ns=3%,"
            " 'int8*:top1=0.2%' or load_ns=off"
        )
    if not any(fnmatchcase(name, match["metrics"]) for name in METRICS):
        raise ReportError(f"the margin {text!r} names no metric that is judged; there are: {', '.join(METRICS)}")
    return Rule(cases=match["cases"] or "*", metrics=match["metrics"], margin=_share(match["margin"], text))


def _share(number: str, text: str) -> float | None:
    if number == "off":
        return None
    try:
        percent = float(number.removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 1000:
        raise ReportError(f"the margin {text!r} wants a number of percent between 0 and 1000")
    return percent / 100


def rules_with(margins: Sequence[str]) -> tuple[Rule, ...]:
    """The default margins, overruled by those that a user wrote; raises `ReportError` like `parse_rule`."""
    return (*DEFAULT_RULES, *(parse_rule(margin) for margin in margins))


def margin_for(rules: Sequence[Rule], case: str, metric: str) -> float | None:
    """The margin of the last rule that fits."""
    for rule in reversed(rules):
        if fnmatchcase(metric, rule.metrics) and case_matches(rule.cases, case):
            return rule.margin
    return None
