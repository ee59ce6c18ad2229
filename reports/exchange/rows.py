"""Reports as one tidy table: one row per metric of a case of a run, and a column for all that tells rows apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from crossrt.core.metric import Direction
from crossrt.reports.exchange.contents import began_at, bound, measured_results
from crossrt.reports.schema.records import Artifact, Metric, Report, Result, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric. None is what is not known or does not exist; a time is in UTC.

    Attributes:
        task: How answers were scored.
        dataset: Name of what the model was fed with.
        git_dirty: Whether there were uncommitted changes: then the revision alone does not say what was measured.
    """

    run: str
    started_at: datetime
    case: str
    status: Status
    model: str | None
    variant: str | None
    format: str | None
    runtime: str
    runtime_version: str | None
    batch_size: int
    threads: int
    io: str
    task: str
    dataset: str
    metric: str
    value: float
    lower: float | None
    upper: float | None
    unit: str
    direction: Direction
    cpu: str
    git_revision: str | None
    git_dirty: bool | None


COLUMNS: Final = tuple(field.name for field in fields(Row))


def rows_of(reports: Sequence[Report]) -> Iterator[Row]:
    """The rows of all runs, in the order of the reports.

    Raises:
        ReportError: A report has no metric.
    """
    for report in reports:
        artifacts = {artifact.id: artifact for artifact in report.artifacts}
        moment = began_at(report)
        for result, metrics in measured_results(report):
            artifact = artifacts.get(result.artifact)
            yield from (_row(report, moment, result, artifact, metric) for metric in metrics)


def _row(report: Report, moment: datetime, result: Result, artifact: Artifact | None, metric: Metric) -> Row:
    return Row(
        run=report.run.id,
        started_at=moment,
        case=result.case,
        status=result.status,
        model=result.model or None,
        variant=result.variant or None,
        format=artifact.format if artifact else None,
        runtime=result.runtime,
        runtime_version=result.runtime_version,
        batch_size=result.batch_size,
        threads=result.threads,
        io=result.io,
        task=report.task,
        dataset=report.data.name,
        metric=metric.name,
        value=metric.value,
        lower=bound(metric.lower),
        upper=bound(metric.upper),
        unit=metric.unit,
        direction=metric.direction,
        cpu=report.environment.cpu_model,
        git_revision=report.environment.git_revision,
        git_dirty=report.environment.git_dirty,
    )
