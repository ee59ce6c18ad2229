"""Margins: how much worse a metric may become before that is a regression."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Result
from crossrt.reports.text.patterns import case_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A user's margin for some metrics of some cases; None does not judge them.

    It is a share of the baseline, and for metrics that are shares a difference.
    """

    metrics: str
    margin: float | None
    cases: str = "*"


_RULE: Final = re.compile(r"(?:(?P<cases>[^:=]+):)?(?P<metrics>[\w*?.-]+)=(?P<margin>[0-9.]+(?:%|pp)?|off)")


def parse_rule(text: str) -> Rule:
    """`[CASES:]METRIC=PERCENT%`, or `=off`; patterns are those of a shell.

    Raises:
        ReportError: It is written otherwise.
    """
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise ReportError(
            f"the margin {text!r} is not written [CASES:]METRIC=PERCENT%, such as latency_p50_ns=3%,"
            " 'int8*:top1=0.2%' or load_ns=off"
        )
    return Rule(cases=match["cases"] or "*", metrics=match["metrics"], margin=_share(match["margin"], text))


def _share(number: str, text: str) -> float | None:
    if number == "off":
        return None
    try:
        percent = float(number.removesuffix("%").removesuffix("pp"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 1000:
        raise ReportError(f"the margin {text!r} is not a number of percent between 0 and 1000")
    return percent / 100


def rules_with(margins: Sequence[str]) -> tuple[Rule, ...]:
    """The margins that a user wrote; raises `ReportError` like `parse_rule`."""
    return tuple(parse_rule(margin) for margin in margins)


def check_rules(rules: Sequence[Rule], definitions: Iterable[MetricDefinition]) -> None:
    """Raises `ReportError` where a rule names no metric that can be judged."""
    known = [each.name for each in definitions if each.judged_by is not None]
    for rule in rules:
        if not any(fnmatchcase(name, rule.metrics) for name in known):
            raise ReportError(
                f"the margin for {rule.metrics!r} names no metric that can be judged; available: {', '.join(known)}"
            )


def margin_for(rules: Sequence[Rule], result: Result, definition: MetricDefinition) -> float | None:
    """The margin of the last rule that fits, else the metric's own; None where it is not judged."""
    if definition.judged_by is None:
        return None
    for rule in reversed(rules):
        if fnmatchcase(definition.name, rule.metrics) and case_matches(rule.cases, result):
            return rule.margin
    return definition.margin


def definitions_of(*reports: Sequence[MetricDefinition]) -> Mapping[str, MetricDefinition]:
    """Definitions by name; where several reports define a metric, the last counts."""
    return {each.name: each for definitions in reports for each in definitions}
