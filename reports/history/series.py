"""One metric over runs, case by case, as the history holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from crossrt.reports.errors import ReportError
from crossrt.reports.history.levels import TIMES
from crossrt.reports.history.selection import (
    Machine,
    RunRow,
    count_runs,
    holds,
    machine_named,
    matching_cases,
    newest,
    run_rows,
)
from crossrt.reports.history.tables import environments, metric_names, metrics, results, runs, times
from crossrt.reports.schema.records import Direction

MOST_NAMED: Final = 500
"""Runs that one query names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A metric of one case in one run.

    Attributes:
        run: The run.
        value: In the metric's unit.
        level: Of a time: logarithm of nanoseconds that a comparison judges.
        anchored: The same relative to the reference workload.
        anchor: The anchor's own.
    """

    run: RunRow
    value: float
    level: float | None = None
    anchored: float | None = None
    anchor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric of one case over comparable runs, oldest first."""

    case: str
    metric: str
    unit: str
    direction: Direction
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the history holds on a question.

    Attributes:
        machine: The environment that the runs share.
        series: One for each case that has the metric, in the order in which cases first came.
        others: Runs of other environments that have one of the cases.
        interrupted: Interrupted runs of this environment, which are left out.
        older: Complete runs of this environment before those that were asked for.
    """

    machine: Machine
    series: tuple[Series, ...]
    others: int
    interrupted: int
    older: int


def find_series(connection: Connection, metric: str, pattern: str, *, environment: str | None, last: int) -> Found:
    """Reads a metric of the cases that a pattern selects.

    Args:
        connection: Within a transaction that reads.
        metric: Its name.
        pattern: Of cases.
        environment: Beginning of the key of an environment; None for that of the newest run.
        last: The newest runs that are wanted, at most.

    Raises:
        ReportError: There is nothing of that kind.
    """
    named = matching_cases(connection, pattern)
    number = _metric_numbers(connection, metric)
    has_case = holds(list(named))
    machine = machine_named(connection, environment) if environment else _newest_machine(connection, has_case)
    same, complete = environments.c.key == machine.key, runs.c.status == "complete"
    chosen = run_rows(connection, newest(same, complete, has_case, limit=last))
    return Found(
        machine=machine,
        series=_series(connection, metric, number, named, chosen),
        others=count_runs(connection, environments.c.key != machine.key, has_case),
        interrupted=count_runs(connection, same, has_case, runs.c.status != "complete"),
        older=count_runs(connection, same, complete, has_case) - len(chosen),
    )


def _metric_numbers(connection: Connection, metric: str) -> Mapping[int, Row[Any]]:
    known = connection.execute(select(metric_names)).all()
    found = {row.id: row for row in known if row.name == metric}
    if not found:
        names = sorted({row.name for row in known})
        near = get_close_matches(metric, names, n=1)
        told = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
        raise ReportError(f"no run of the history has the metric {metric!r}; {told}")
    return found


def _newest_machine(connection: Connection, has_case: ColumnElement[bool]) -> Machine:
    found = run_rows(connection, newest(has_case, limit=1))
    if not found:
        raise ReportError("no run of the history has one of these cases")
    return found[0].machine


def _series(
    connection: Connection,
    metric: str,
    numbers: Mapping[int, Row[Any]],
    named: Mapping[int, str],
    chosen: Sequence[RunRow],
) -> tuple[Series, ...]:
    by_run = {row.number: row for row in chosen}
    by_case: dict[str, list[tuple[Row[Any], Sample]]] = {name: [] for name in named.values()}
    for row in _rows(connection, times if metric in TIMES else metrics, list(numbers), list(named), list(by_run)):
        by_case[named[row.case_id]].append((row, _sample(row, by_run[row.run_id])))
    return tuple(
        _one_series(case, metric, numbers[rows[-1][0].metric_id], [sample for _, sample in rows])
        for case, rows in by_case.items()
        if rows
    )


def _rows(
    connection: Connection, table: Table, numbers: Sequence[int], named: Sequence[int], chosen: Sequence[int]
) -> list[Row[Any]]:
    """All samples of the chosen runs; a history that is asked for many of them is read in parts."""
    found: list[Row[Any]] = []
    for start in range(0, len(chosen), MOST_NAMED):
        query = (
            select(results.c.run_id, results.c.case_id, runs.c.anchor, *table.c)
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
    is_time = "level" in row._fields
    return Sample(
        run=run,
        value=row.value,
        level=row.level if is_time else None,
        anchored=row.relative if is_time else None,
        anchor=row.workload if is_time else None,
    )


def _one_series(case: str, metric: str, name: Row[Any], samples: Sequence[Sample]) -> Series:
    ordered = sorted(samples, key=lambda sample: (sample.run.started_at, sample.run.number))
    return Series(case=case, metric=metric, unit=name.unit, direction=name.direction, samples=tuple(ordered))
