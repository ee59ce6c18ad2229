"""A run as it was added, put together again from the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Row, Select, func, select

from crossrt.core.metric import MetricDefinition
from crossrt.history.judging.levels import Level
from crossrt.history.judging.selection import case_of
from crossrt.history.store.entries import About, Entry
from crossrt.history.store.evaluations import unpacked
from crossrt.history.store.tables import (
    artifacts,
    cases,
    datasets,
    definitions,
    environments,
    evaluations,
    metric_names,
    metrics,
    results,
    runs,
    times,
)
from crossrt.reports.schema.records import SCHEMA_VERSION, Artifact, Data, Environment, Metric, Report, Result, Run
from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.selector import parse_selector

AnyRow = Row[Any]


def read_entry(connection: Connection, run: int) -> Entry:
    """A run of the history.

    Args:
        connection: Within a transaction that reads.
        run: Its number in the table of runs.
    """
    row = connection.execute(_run(run)).one()
    by_result = {each.id: each for each in connection.execute(_results_of(run))}
    numbers = [each for table in (times, metrics) for each in connection.execute(_numbers_of(run, table))]
    return Entry(
        report=_report(row, _artifacts(connection, run), list(by_result.values()), numbers),
        sha256=row.sha256,
        path=row.path,
        started_at=row.started_at,
        environment=row.key,
        workload=row.workload,
        rounds={each.name: each.rounds for each in by_result.values()},
        levels={(each.case, each.name): _level(each) for each in numbers if _has_level(each)},
    )


def _run(run: int) -> Select[Any]:
    environment, data, metric = (
        table.c.content.label(name)
        for table, name in ((environments, "environment"), (datasets, "data"), (definitions, "definitions"))
    )
    query = select(runs, environments.c.key, environment, data, metric).join_from(runs, environments)
    return query.outerjoin(datasets).outerjoin(definitions).where(runs.c.id == run)


def _results_of(run: int) -> Select[Any]:
    return (
        select(results, *cases.c[_CASE], evaluations.c.content.label("evaluation"))
        .join_from(results, cases)
        .outerjoin(evaluations)
        .where(results.c.run_id == run)
        .order_by(results.c.id)
    )


_CASE: Final = ("name", "artifact", "runtime", "batch_size", "threads", "io", "subject", "model", "variant")


def _numbers_of(run: int, table: Any) -> Select[Any]:
    """Metrics of a run in the order of its results; `times` has more columns than `metrics`."""
    return (
        select(cases.c.name.label("case"), *metric_names.c["name", "unit", "direction"], *table.c)
        .join_from(results, cases)
        .join(table, table.c.result_id == results.c.id)
        .join(metric_names)
        .where(results.c.run_id == run)
        .order_by(results.c.id, table.c.metric_id)
    )


def _artifacts(connection: Connection, run: int) -> tuple[Artifact, ...]:
    query = select(artifacts.c.id, artifacts.c.content).join_from(results, artifacts).where(results.c.run_id == run)
    found = connection.execute(query.group_by(artifacts.c.id, artifacts.c.content).order_by(func.min(results.c.id)))
    return tuple(msgspec.json.decode(row.content, type=Artifact) for row in found)


def _report(row: AnyRow, files: tuple[Artifact, ...], found: Sequence[AnyRow], numbers: Sequence[AnyRow]) -> Report:
    environment = msgspec.json.decode(row.environment, type=Environment)
    about = msgspec.json.decode(row.about, type=About)
    by_case: Mapping[str, list[Metric]] = defaultdict(list)
    for each in numbers:
        by_case[each.case].append(_metric(each))
    return Report(
        schema_version=SCHEMA_VERSION,
        run=msgspec.json.decode(row.content, type=Run),
        environment=msgspec.structs.replace(environment, git_revision=row.git_revision, git_dirty=row.git_dirty),
        data=msgspec.json.decode(row.data, type=Data),
        definitions=msgspec.json.decode(row.definitions, type=tuple[MetricDefinition, ...]),
        artifacts=files,
        results=tuple(map(_result, found)),
        metrics=tuple(metric for each in found for metric in by_case[each.name]),
        **msgspec.structs.asdict(about),
    )


def _result(row: AnyRow) -> Result:
    return msgspec.structs.replace(
        case_of(row),
        runtime_version=row.runtime_version,
        status=row.status,
        reason=row.reason,
        evaluation=None if row.evaluation is None else unpacked(row.evaluation),
        runtime_options=_options_of(row.runtime),
    )


def _options_of(runtime: str) -> dict[str, str]:
    """The options of a runtime, which its selector holds; a plug-in may have a name that is written like none."""
    try:
        return dict(parse_selector(runtime).options)
    except OptionRefusedError:
        return {}


def _metric(row: AnyRow) -> Metric:
    return Metric(
        case=row.case,
        name=row.name,
        value=row.value,
        unit=row.unit,
        direction=row.direction,
        lower=UNSET if row.lower is None else row.lower,
        upper=UNSET if row.upper is None else row.upper,
    )


def _has_level(row: AnyRow) -> bool:
    return getattr(row, "level", None) is not None


def _level(row: AnyRow) -> Level:
    return Level(
        rounds=row.rounds,
        plain=row.level,
        plain_error=row.error,
        relative=row.relative,
        relative_error=row.relative_error,
    )
