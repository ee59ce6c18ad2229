"""The runs of a history as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select

from crossrt.history.judging.selection import (
    SHORT,
    RunRow,
    count_runs,
    holds,
    machine_named,
    matching_cases,
    newest,
    run_rows,
)
from crossrt.history.store.tables import cases, environments, results
from crossrt.reports.text.cells import Cell, Sheet, counted
from crossrt.reports.text.labels import runtime_text

ABSENT: Final = "-"
MOST_NAMED: Final = 500
"""Runs that a query names one by one; beyond that it reads all."""


class Listed(Struct, frozen=True, kw_only=True):
    """A run in a list.

    Attributes:
        run: Its id.
        started_at: When it began, ISO 8601 in UTC.
        status: Complete or interrupted.
        revision: Short git revision, with a plus where there were uncommitted changes.
        environment: Key of what must be equal for times to be compared.
        machine: The processor.
        cases: How many there are of each status.
        runtimes: Names and versions.
        report: Where the report was.
    """

    run: str
    started_at: str
    status: str
    revision: str | None
    environment: str
    machine: str
    cases: dict[str, int]
    runtimes: tuple[str, ...]
    report: str


def listed_runs(
    connection: Connection, *, limit: int | None, case: str | None = None, environment: str | None = None
) -> tuple[list[Listed], int]:
    """The newest runs, and how many there are in all.

    Args:
        connection: Within a transaction that reads.
        limit: How many are listed; None for all.
        case: Only runs with a case that this pattern selects.
        environment: Only runs of the environment whose key begins like this.
    """
    conditions: list[ColumnElement[bool]] = []
    if case is not None:
        conditions.append(holds(list(matching_cases(connection, case))))
    if environment is not None:
        conditions.append(environments.c.key == machine_named(connection, environment).key)
    rows = run_rows(connection, newest(*conditions, limit=limit))
    return _described(connection, rows), count_runs(connection, *conditions)


def _described(connection: Connection, rows: Sequence[RunRow]) -> list[Listed]:
    statuses: Mapping[int, dict[str, int]] = defaultdict(dict)
    runtimes: Mapping[int, set[str]] = defaultdict(set)
    columns = (results.c.run_id, results.c.status, cases.c.runtime, results.c.runtime_version)
    query = select(*columns, func.count().label("number")).join_from(results, cases).group_by(*columns)
    numbers = [row.number for row in rows]
    if len(numbers) <= MOST_NAMED:
        query = query.where(results.c.run_id.in_(numbers))
    for row in connection.execute(query):
        counts = statuses[row.run_id]
        counts[row.status] = counts.get(row.status, 0) + row.number
        if row.runtime_version is not None:
            runtimes[row.run_id].add(runtime_text(row.runtime, row.runtime_version))
    return [_listed(row, statuses[row.number], runtimes[row.number]) for row in rows]


def _listed(row: RunRow, statuses: dict[str, int], runtimes: set[str]) -> Listed:
    return Listed(
        run=row.name,
        started_at=row.started_at.isoformat(),
        status=row.status,
        revision=row.revision,
        environment=row.machine.key,
        machine=row.machine.cpu_model,
        cases=statuses,
        runtimes=tuple(sorted(runtimes)),
        report=row.path,
    )


def list_sheet(found: Sequence[Listed], total: int) -> Sheet:
    """A row for each run, newest first, and the machines below."""
    machines = {each.environment: each.machine for each in found}
    shown = f"the newest {len(found)} of {total:,} runs" if len(found) < total else counted(total, "run")
    columns = ("run", "started", "git", "environment", "ok", "failed", "runtimes")
    footer = tuple(f"environment {key[:SHORT]}: {machine}" for key, machine in machines.items())
    return Sheet(
        title=f"History: {shown}",
        columns=columns,
        rows=tuple(map(_row, found)),
        is_text=True,
        footer=footer,
        dropped_first=("started", "git", "runtimes"),  # a run's id begins with its time
    )


def _row(each: Listed) -> tuple[Cell, ...]:
    failed = each.cases.get("failed", 0)
    runtimes = ", ".join(each.runtimes) or ABSENT
    return (
        Cell(text=each.run),
        Cell(text=each.started_at[:16].replace("T", " ")),
        Cell(text=each.revision or ABSENT),
        Cell(text=each.environment[:SHORT]),
        Cell(text=str(each.cases.get("ok", 0))),
        Cell(text=str(failed), tone="bad" if failed else None),
        Cell(text=f"INTERRUPTED, {runtimes}" if each.status == "interrupted" else runtimes),
    )
