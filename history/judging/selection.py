"""Which runs of a history a question is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select

from crossrt.history.store.tables import cases, datasets, environments, results, runs
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.records import Result
from crossrt.reports.text.patterns import case_matches

SHORT: Final = 8
"""Characters of a key or a revision that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An environment: runs that share its key may be compared.

    Attributes:
        key: What names it.
        cpu_model: For a reader.
    """

    key: str
    cpu_model: str

    def __str__(self) -> str:
        return f"{self.key[:SHORT]} ({self.cpu_model})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as a list shows it.

    Attributes:
        number: In the table of runs.
        name: The run's id.
        started_at: When it began.
        status: Complete or interrupted.
        git_revision: Of the folder in which it was started.
        git_dirty: Whether that had uncommitted changes.
        machine: Where it ran.
        data: Fingerprint of what models were fed with, where it is known.
        path: Where its report was.
        sha256: Of its report.
    """

    number: int
    name: str
    started_at: datetime
    status: str
    git_revision: str | None
    git_dirty: bool | None
    machine: Machine
    data: str | None
    path: str
    sha256: str

    @property
    def revision(self) -> str | None:
        """`1a2b3c4`, and a plus where there were uncommitted changes."""
        if self.git_revision is None:
            return None
        return self.git_revision[:7] + ("+" if self.git_dirty else "")


def matching_cases(connection: Connection, pattern: str) -> dict[int, Result]:
    """The cases that a pattern selects, by their numbers; raises `ReportError` where there are none."""
    known = {row.id: case_of(row) for row in connection.execute(select(cases).order_by(cases.c.id))}
    found = {number: case for number, case in known.items() if case_matches(pattern, case)}
    if not found:
        names = sorted({case.case for case in known.values()})
        told = f"available: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}" if names else "it is empty"
        raise ReportError(f"no case of the history matches {pattern!r}; {told}")
    return found


def case_of(row: Row[Any]) -> Result:
    """A row of the table of cases as a result of which nothing is known."""
    return Result(
        case=row.name,
        subject=row.subject or row.name,
        artifact=row.artifact,
        runtime=row.runtime,
        runtime_version=None,
        batch_size=row.batch_size,
        threads=row.threads,
        io=row.io,
        status="ok",
        model=row.model,
        variant=row.variant,
    )


def holds(numbers: Sequence[int]) -> ColumnElement[bool]:
    """That a run has one of these cases."""
    return exists().where(results.c.run_id == runs.c.id, results.c.case_id.in_(numbers))


def newest(*conditions: ColumnElement[bool], limit: int | None = None) -> Select[Any]:
    """Runs that meet all conditions, newest first."""
    columns = runs.c["id", "name", "started_at", "status", "git_revision", "git_dirty", "path", "sha256"]
    shown = (environments.c.key, environments.c.cpu_model, datasets.c.fingerprint)
    query = select(*columns, *shown).join_from(runs, environments).outerjoin(datasets)
    return query.where(*conditions).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)


def run_rows(connection: Connection, query: Select[Any]) -> list[RunRow]:
    """What `newest` selects."""
    return [
        RunRow(
            number=row.id,
            name=row.name,
            started_at=row.started_at,
            status=row.status,
            git_revision=row.git_revision,
            git_dirty=row.git_dirty,
            machine=Machine(key=row.key, cpu_model=row.cpu_model),
            data=row.fingerprint,
            path=row.path,
            sha256=row.sha256,
        )
        for row in connection.execute(query)
    ]


def run_named(connection: Connection, name: str) -> RunRow:
    """The run whose id begins like this; raises `ReportError` where there is none, or several."""
    starts = runs.c.name.startswith(name, autoescape=True)
    found = run_rows(connection, newest(starts, limit=6))
    exact = [each for each in found if each.name == name]
    if len(found) == 1 or exact:
        return (exact or found)[0]
    if not found:
        raise ReportError(f"no run of the history begins with {name!r}: crossrt history list shows them")
    raise ReportError(f"several runs begin with {name!r}: {', '.join(each.name for each in found[:5])}; name one")


def machine_named(connection: Connection, key: str) -> Machine:
    """The environment whose key begins like this; raises `ReportError` where there is none, or several."""
    query = select(environments.c.key, func.min(environments.c.cpu_model).label("cpu_model"))
    starts = environments.c.key.startswith(key, autoescape=True)
    found = connection.execute(query.where(starts).group_by(environments.c.key).order_by(environments.c.key)).all()
    if len(found) == 1:
        return Machine(key=found[0].key, cpu_model=found[0].cpu_model)
    if not found:
        raise ReportError(f"no environment of the history begins with {key!r}: crossrt history list shows their keys")
    told = ", ".join(row.key[:SHORT] for row in found[:5])
    raise ReportError(f"several environments begin with {key!r}: {told}; give more of the key")


def count_runs(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    """How many runs meet all conditions."""
    query = select(func.count()).select_from(runs.join(environments).outerjoin(datasets)).where(*conditions)
    return int(connection.execute(query).scalar_one())
