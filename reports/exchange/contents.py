"""What several formats take from a report."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Metric, Report, Result
from crossrt.reports.text.printable import json_for_logs, printable


def timed_results(report: Report) -> list[Result]:
    """The cases that were timed.

    Raises:
        ReportError: There is none.
    """
    timed = [result for result in report.results if result.status == "ok" and result.rounds]
    if not timed:
        raise ReportError(f"run {report.run.id} has no timed case: crossrt show says why")
    return timed


def measured_results(report: Report) -> list[tuple[Result, list[Metric]]]:
    """The cases that have metrics, with them: a failed one may have a size and an accuracy.

    Raises:
        ReportError: There is none.
    """
    metrics = metrics_by_case(report)
    measured = [(result, metrics[result.case]) for result in report.results if result.case in metrics]
    if not measured:
        raise ReportError(f"run {report.run.id} has no metric of any case: crossrt show says why")
    return measured


def metrics_by_case(report: Report) -> dict[str, list[Metric]]:
    """All metrics under the id of their case."""
    found: dict[str, list[Metric]] = {}
    for metric in report.metrics:
        found.setdefault(metric.case, []).append(metric)
    return found


def bound(value: float | UnsetType) -> float | None:
    """One end of an interval, or None where there is none."""
    return None if value is UNSET or not math.isfinite(value) else value


def began_at(report: Report) -> datetime:
    """When the run began, in UTC.

    Raises:
        ReportError: The report says it in no form that can be read.
    """
    said = report.run.started_at
    try:
        moment = datetime.fromisoformat(said)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ReportError(f"run {report.run.id} began at {said!r}, which is not an ISO 8601 time") from error


def one_line(text: str) -> str:
    """Text on a single line, without signs that could do harm."""
    return " ".join(printable(text).split())


def as_json(content: Any) -> str:
    """JSON that people can read."""
    return json_for_logs(msgspec.json.format(msgspec.json.encode(content), indent=2).decode()) + "\n"
