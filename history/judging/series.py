"""One metric over runs, case by case, as the history holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Table, select

from crossrt.core.metric import MetricDefinition
from crossrt.history.judging.selection import (
    Machine,
    RunRow,
    count_runs,
    holds,
    machine_named,
    matching_cases,
    newest,
    run_rows,
)
from crossrt.history.store.tables import (
    datasets,
    definitions,
    environments,
    metric_names,
    metrics,
    results,
    runs,
    times,
)
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Result
from crossrt.reports.statistics.definitions import MEASURED_METRICS

_MEASURED: Final = frozenset(definition.name for definition in MEASURED_METRICS)
MOST_NAMED: Final = 500
"""Runs that one query names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A metric of one case in one run.

    Attributes:
        run: The run.
        value: In the metric's unit.
        level: Of a time: logarithm of nanoseconds that a comparison judges.
        relative: The same relative to the reference workload.
        workload: That of the reference workload.
    """

    run: RunRow
    value: float
    level: float | None = None
    relative: float | None = None
    workload: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric of one case over comparable runs, oldest first; of the case only what it is is known."""

    case: Result
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the history holds on a question.

    Attributes:
        definition: What the metric is, as the newest of the runs says.
        machine: The environment that the runs share.
        series: One for each case that has the metric, in the order in which cases first came.
        others: Runs of other environments that have one of the cases.
        other_data: Complete runs of this environment on other data than the newest, where the metric is about answers.
        interrupted: Interrupted runs of this environment, which are left out.
        older: Complete runs of this environment before those that were asked for.
    """

    definition: MetricDefinition
    machine: Machine
    series: tuple[Series, ...]
    others: int
    other_data: int
    interrupted: int
    older: int


def find_series(connection: Connection, metric: str, pattern: str, *, environment: str | None, last: int) -> Found:
    """Reads a metric of the cases that a pattern selects.

    Args:
        connection: Within a transaction that reads.
        metric: Its name.
        pattern: Of cases.
        environment: Beginning of the key of an environment; None for that of the newest run.
        last: The newest runs that are read, at most.

    Raises:
        ReportError: There is nothing of that kind.
    """
    named = matching_cases(connection, pattern)
    numbers = _metric_numbers(connection, metric)
    has_case = holds(list(named))
    machine = machine_named(connection, environment) if environment else _newest_machine(connection, has_case)
    same, complete = environments.c.key == machine.key, runs.c.status == "complete"
    every = count_runs(connection, same, complete, has_case)
    usable = (same, complete, has_case, *_same_data(connection, metric, same, complete, has_case))
    chosen = run_rows(connection, newest(*usable, limit=last))
    known = count_runs(connection, *usable)
    return Found(
        definition=_definition(connection, metric, numbers, chosen),
        machine=machine,
        series=_series(connection, list(numbers), named, chosen),
        others=count_runs(connection, environments.c.key != machine.key, has_case),
        other_data=every - known,
        interrupted=count_runs(connection, same, has_case, runs.c.status != "complete"),
        older=known - len(chosen),
    )


def _same_data(
    connection: Connection, metric: str, *conditions: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ...]:
    """That a run was on the data of the newest, for metrics of answers: those of other samples are no change."""
    if metric in _MEASURED or not (found := run_rows(connection, newest(*conditions, limit=1))):
        return ()
    fingerprint = found[0].data
    return (datasets.c.fingerprint.is_(None) if fingerprint is None else datasets.c.fingerprint == fingerprint,)


def _metric_numbers(connection: Connection, metric: str) -> Mapping[int, Row[Any]]:
    known = connection.execute(select(metric_names).order_by(metric_names.c.id)).all()
    found = {row.id: row for row in known if row.name == metric}
    if not found:
        names = sorted({row.name for row in known})
        near = get_close_matches(metric, names, n=1)
        told = f"did you mean {near[0]}?" if near else f"available: {', '.join(names)}"
        raise ReportError(f"no run of the history has the metric {metric!r}; {told}")
    return found


def _definition(
    connection: Connection, metric: str, numbers: Mapping[int, Row[Any]], chosen: Sequence[RunRow]
) -> MetricDefinition:
    """As the newest run that defines the metric has it; else what every metric has, and no judgement."""
    used = select(runs.c.definitions_id).order_by(runs.c.started_at.desc(), runs.c.id.desc())
    for start in range(0, len(chosen), MOST_NAMED):
        some = [row.number for row in chosen[start : start + MOST_NAMED]]
        for number in dict.fromkeys(connection.execute(used.where(runs.c.id.in_(some))).scalars()):
            content = connection.execute(select(definitions.c.content).where(definitions.c.id == number)).scalar()
            for each in msgspec.json.decode(content or "[]", type=tuple[MetricDefinition, ...]):
                if each.name == metric:
                    return each
    last = list(numbers.values())[-1]
    return MetricDefinition(name=metric, label=metric, unit=last.unit, direction=last.direction)


def _newest_machine(connection: Connection, has_case: ColumnElement[bool]) -> Machine:
    found = run_rows(connection, newest(has_case, limit=1))
    if not found:
        raise ReportError("no run of the history has one of these cases")
    return found[0].machine


def _series(
    connection: Connection, numbers: Sequence[int], named: Mapping[int, Result], chosen: Sequence[RunRow]
) -> tuple[Series, ...]:
    by_run = {row.number: row for row in chosen}
    cases = {case.case: case for case in named.values()}
    by_case: dict[str, list[Sample]] = {name: [] for name in cases}
    for table in (times, metrics):  # what is judged over rounds has levels, where it could be judged
        for row in _rows(connection, table, numbers, list(named), list(by_run)):
            by_case[named[row.case_id].case].append(_sample(row, by_run[row.run_id]))
    return tuple(Series(case=cases[name], samples=_ordered(samples)) for name, samples in by_case.items() if samples)


def _ordered(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda each: (each.run.started_at, each.run.number)))


def _rows(
    connection: Connection, table: Table, numbers: Sequence[int], named: Sequence[int], chosen: Sequence[int]
) -> list[Row[Any]]:
    """All samples of the chosen runs; a history that is asked for many of them is read in parts."""
    found: list[Row[Any]] = []
    for start in range(0, len(chosen), MOST_NAMED):
        query = (
            select(results.c.run_id, results.c.case_id, runs.c.workload, *table.c)
            .join_from(results, table, table.c.result_id == results.c.id)
            .join(runs, runs.c.id == results.c.run_id)
            .where(
                results.c.run_id.in_(chosen[start : start + MOST_NAMED]),
                results.c.case_id.in_(named),
                results.c.status == "ok",
                table.c.metric_id.in_(numbers),
            )
        )
        found += connection.execute(query).all()
    return found


def _sample(row: Row[Any], run: RunRow) -> Sample:
    if "level" not in row._fields:
        return Sample(run=run, value=row.value)
    return Sample(run=run, value=row.value, level=row.level, relative=row.relative, workload=row.workload)
