"""The newest runs of each machine from a history, whose report files may be on other machines."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from crossrt.fleet.errors import FleetError
from crossrt.fleet.joining.runs import About, Chosen, Member, newest, subject_key
from crossrt.history.store.entries import About as Fields
from crossrt.history.store.reading import read_entry
from crossrt.history.store.tables import datasets, environments, runs


class _Named(Struct):
    name: str | None = None


def choose_runs(connection: Connection) -> Chosen:
    """Joins runs of a history.

    Args:
        connection: Within a transaction that reads.

    Raises:
        FleetError: It holds no complete run.
    """
    chosen = Chosen()
    for found, number, older in newest(_known(connection), chosen):
        report = read_entry(connection, number).report
        chosen.groups.setdefault(found.subject, []).append(
            Member(key=found.machine, name=found.name, report=report, older=older)
        )
    if not chosen.groups:
        raise FleetError("the history holds no complete run: crossrt history add REPORT adds some")
    return chosen


def _known(connection: Connection) -> Iterator[tuple[About, int]]:
    columns = (
        *runs.c["id", "name", "started_at", "status", "about"],
        *environments.c["key", "content"],
        datasets.c.fingerprint,
    )
    query = select(*columns).join_from(runs, environments).outerjoin(datasets)
    for row in connection.execute(query):
        fields = msgspec.json.decode(row.about, type=Fields)
        yield (
            About(
                machine=row.key,
                name=msgspec.json.decode(row.content, type=_Named).name,
                subject=subject_key(fields.model_sha256, row.fingerprint, fields.task, fields.dimensions),
                started_at=row.started_at.isoformat(),
                run=row.name,
                is_complete=row.status == "complete",
            ),
            row.id,
        )
