"""Adding runs: each report in one transaction, so that it is in the history as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, insert, or_, select

from crossrt.history.judging.levels import Level
from crossrt.history.store.entries import Entry, about_of
from crossrt.history.store.shared import (
    artifact_ids,
    case_ids,
    dataset_id,
    definitions_id,
    environment_id,
    evaluation_ids,
    insert_new,
    metric_ids,
    storable,
)
from crossrt.history.store.tables import metrics, results, runs, times
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Metric

Outcome = Literal["added", "known"]


class KnownRunError(ReportError):
    """Another report of the same run is in the history."""


def add_entry(connection: Connection, entry: Entry) -> Outcome:
    """Adds a run within the caller's transaction; one that is in the history already changes nothing.

    Raises:
        KnownRunError: Another report with the same run id is in the history.
    """
    known = _known(connection, entry)
    if known is not None:
        return known
    run = _add_run(connection, entry)
    if run is None:  # another process added it since we looked
        return _known(connection, entry) or "known"
    _add_results(connection, entry, run)
    return "added"


def _known(connection: Connection, entry: Entry) -> Outcome | None:
    name = storable(entry.report.run.id)
    query = select(runs.c.sha256, runs.c.path).where(or_(runs.c.name == name, runs.c.sha256 == entry.sha256))
    for found in connection.execute(query):
        if found.sha256 != entry.sha256:
            raise KnownRunError(
                f"{entry.path} is another report of the run {name} than the one in the history, which was"
                f" {found.path}: a run is added once; crossrt history remove {name} takes that one out"
            )
        return "known"
    return None


def _add_run(connection: Connection, entry: Entry) -> int | None:
    run, environment = entry.report.run, entry.report.environment
    row = {
        "name": storable(run.id),
        "sha256": entry.sha256,
        "path": storable(entry.path),
        "environment_id": environment_id(connection, entry),
        "started_at": entry.started_at,
        "added_at": datetime.now(UTC),
        "status": run.status,
        "git_revision": environment.git_revision and storable(environment.git_revision),
        "git_dirty": environment.git_dirty,
        "workload": entry.workload,
        "content": msgspec.json.encode(run).decode(),
        "about": storable(msgspec.json.encode(about_of(entry.report)).decode()),
        "dataset_id": dataset_id(connection, entry),
        "definitions_id": definitions_id(connection, entry),
    }
    return connection.execute(insert_new(connection, runs).values(row).returning(runs.c.id)).scalar()


def _add_results(connection: Connection, entry: Entry, run: int) -> None:
    found = entry.report.results
    if not found:
        return
    each_case = case_ids(connection, found)
    each_file, each_evaluation = artifact_ids(connection, entry), evaluation_ids(connection, found)
    rows = [
        {
            "run_id": run,
            "case_id": case,
            "artifact_id": file,
            "evaluation_id": evaluation,
            "rounds": entry.rounds[result.case],
            "status": result.status,
            "runtime_version": result.runtime_version and storable(result.runtime_version),
            "reason": result.reason and storable(result.reason),
        }
        for result, case, file, evaluation in zip(found, each_case, each_file, each_evaluation, strict=True)
    ]
    connection.execute(insert(results), rows)
    query = select(results.c.case_id, results.c.id).where(results.c.run_id == run)
    by_case = {row.case_id: row.id for row in connection.execute(query)}
    ids = {result.case: by_case[case] for result, case in zip(found, each_case, strict=True)}
    _add_numbers(connection, entry, ids)


def _add_numbers(connection: Connection, entry: Entry, ids: Mapping[str, int]) -> None:
    """What was judged over rounds has a level and goes into a table of its own."""
    known = [metric for metric in entry.report.metrics if metric.case in ids]
    timed: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []
    for metric, number in zip(known, metric_ids(connection, known), strict=True):
        row, level = _metric_row(metric, ids, number), entry.levels.get((metric.case, metric.name))
        if level is None:
            plain.append(row)
        else:
            timed.append(row | _level_columns(level))
    for table, rows in ((times, timed), (metrics, plain)):
        if rows:
            connection.execute(insert(table), rows)


def _metric_row(metric: Metric, ids: Mapping[str, int], number: int) -> dict[str, Any]:
    return {
        "result_id": ids[metric.case],
        "metric_id": number,
        "value": metric.value,
        "lower": None if metric.lower is msgspec.UNSET else metric.lower,
        "upper": None if metric.upper is msgspec.UNSET else metric.upper,
    }


def _level_columns(level: Level) -> dict[str, Any]:
    return {
        "rounds": level.rounds,
        "level": level.plain,
        "relative": level.relative,
        "error": level.plain_error,
        "relative_error": level.relative_error,
    }
