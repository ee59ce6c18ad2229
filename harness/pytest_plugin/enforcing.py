"""What happens to a test whose body has passed: its limits are judged, and it fails, is skipped, or passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from crossrt.core.errors import CrossrtError
from crossrt.harness.pytest_plugin.fixture import Crossrt
from crossrt.harness.pytest_plugin.judging import Judgement, Place, judge
from crossrt.harness.pytest_plugin.marks import Limit
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.text.cells import interval_text, unit_of


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the terminal summary says of a test.

    Attributes:
        verdicts: A verdict in words, by case.
        notes: What was not judged, and why.
        saved: What is not judged because it is saved as the baseline.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)


def enforce(limits: Sequence[Limit], measured: Crossrt | None, place: Place, outcome: Outcome) -> None:
    """Judges a test and raises what pytest expects of a test that fails or is skipped."""
    __tracebackhide__ = True
    if measured is None or not measured.reports:
        pytest.fail(f"{limits[0]} has nothing to judge: measure with the fixture crossrt", pytrace=False)
    found, problem = [], None
    try:
        found = [judge(limit, measured.reports, measured.only, place, measured.options) for limit in limits]
    except CrossrtError as error:
        problem = str(error)
    if problem is not None:  # outside of the handler: pytest would show both
        pytest.fail(problem, pytrace=False)
    for each in found:
        for case, verdict in each.verdicts:
            outcome.verdicts[case] = f"{outcome.verdicts[case]}, {verdict}" if case in outcome.verdicts else verdict
        outcome.notes += each.undecided
        outcome.saved += [] if each.saved is None else [each.saved]
    missing = missing_lines(limits, found)
    outcome.notes += missing
    _end(found, missing, is_strict=measured.options.is_strict)


def missing_lines(limits: Sequence[Limit], found: Sequence[Judgement]) -> list[str]:
    """Why limits cannot be judged, each reason once behind the limits that it is said of."""
    named: dict[str, list[str]] = {}
    for limit, each in zip(limits, found, strict=True):
        if each.missing is not None:
            named.setdefault(each.missing, []).append(str(limit))
    return [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in named.items()]


def _end(found: Sequence[Judgement], missing: Sequence[str], *, is_strict: bool) -> None:
    __tracebackhide__ = True
    lines = [line for each in found for line in each.regressions]
    if is_strict:
        lines += [f"--crossrt-strict: {line}" for each in found for line in each.undecided]
        lines += [f"--crossrt-strict: {line}" for line in missing]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)
    if missing:
        raise pytest.skip.Exception("; ".join(missing), _use_item_location=True)  # as pytest does for its own marks


def summary_lines(reports: Sequence[Report], outcome: Outcome) -> list[str]:
    """One line for each measured case: p50, its interval, the verdict."""
    return [_line(report, result, outcome) for report in reports for result in report.results]


def _line(report: Report, result: Result, outcome: Outcome) -> str:
    if result.status != "ok":
        return f"{result.case}: {result.status}: {result.reason}"
    verdict = outcome.verdicts.get(result.case)
    defined = {each.name: each for each in report.definitions}
    metric = next(each for each in report.metrics if each.case == result.case and each.name == "latency_p50_ns")
    definition = defined[metric.name]
    text = f"{result.case}: {definition.label} {interval_text(metric, definition)} {unit_of(definition)}"
    return f"{text}, {verdict}" if verdict else text


def encoded_reports(reports: Sequence[Report]) -> list[str]:
    """Reports as text, which goes from one process of a session to another."""
    return [msgspec.json.encode(each).decode() for each in reports]
