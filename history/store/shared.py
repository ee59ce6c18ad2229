"""Rows that many runs share: each is stored once, by whoever comes first."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from crossrt.core.evaluation import Evaluation
from crossrt.history.store.entries import Entry
from crossrt.history.store.evaluations import packed
from crossrt.history.store.tables import (
    artifacts,
    cases,
    datasets,
    definitions,
    environments,
    evaluations,
    metric_names,
)
from crossrt.reports.schema.records import Metric, Result

Row = Mapping[str, Any]
Ids = Mapping[tuple[Any, ...], int]

CASE: Sequence[str] = ("name", "artifact", "runtime", "batch_size", "threads", "io", "subject", "model", "variant")
METRIC: Sequence[str] = ("name", "unit", "direction")
CONTENT: Sequence[str] = ("sha256",)


def insert_new(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves alone what is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def ids_of(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Row]) -> Ids:
    """The ids of rows, by their key; those that are new are inserted.

    Two writers that insert the same row wait for each other: as both go through the rows in order, neither waits for
    one that waits for it.
    """
    wanted = {tuple(row[name] for name in key): row for row in rows}
    found = _present(connection, table, key, wanted)
    missing = [wanted[each] for each in sorted(wanted.keys() - found.keys())]
    if missing:
        connection.execute(insert_new(connection, table), missing)
        found = _present(connection, table, key, wanted)
    return found


def _present(connection: Connection, table: Table, key: Sequence[str], wanted: Mapping[tuple[Any, ...], Row]) -> Ids:
    if not wanted:
        return {}
    first = table.c[key[0]]
    query = select(table.c.id, *(table.c[name] for name in key)).where(first.in_(sorted({each[0] for each in wanted})))
    present = {tuple(row[1:]): row.id for row in connection.execute(query)}
    return {each: present[each] for each in wanted if each in present}


def environment_id(connection: Connection, entry: Entry) -> int:
    """The machine and the software of a run, but for what changes from run to run."""
    kept = msgspec.structs.replace(entry.report.environment, load_average=(), git_revision=None, git_dirty=None)
    content = _json(kept)
    sha256 = _sha256([content, entry.environment])
    row = {"sha256": sha256, "key": entry.environment, "cpu_model": storable(kept.cpu_model), "content": content}
    return ids_of(connection, environments, CONTENT, [row])[(sha256,)]


def dataset_id(connection: Connection, entry: Entry) -> int:
    """What the models of a run were fed with."""
    data = entry.report.data
    content = storable(_json(data))
    row = {"sha256": _sha256(content), "name": storable(data.name), "fingerprint": storable(data.fingerprint)}
    return ids_of(connection, datasets, CONTENT, [{**row, "content": content}])[(row["sha256"],)]


def definitions_id(connection: Connection, entry: Entry) -> int:
    """What the metrics of a run are; the same in most runs."""
    content = storable(msgspec.json.encode(entry.report.definitions).decode())
    row = {"sha256": _sha256(content), "content": content}
    return ids_of(connection, definitions, CONTENT, [row])[(row["sha256"],)]


def artifact_ids(connection: Connection, entry: Entry) -> Sequence[int | None]:
    """The model file of each result, in order; None where it could not be made."""
    contents = {each.id: (each, _json(each)) for each in entry.report.artifacts}
    rows = [
        {"sha256": _sha256(content), "name": storable(each.id), "file_sha256": each.sha256[:64], "content": content}
        for each, content in contents.values()
    ]
    ids = ids_of(connection, artifacts, CONTENT, rows)
    by_name = {name: ids[(row["sha256"],)] for name, row in zip(contents, rows, strict=True)}
    return [by_name.get(result.artifact) for result in entry.report.results]


def case_ids(connection: Connection, results: Sequence[Result]) -> Sequence[int]:
    """The case of each result, in order."""
    rows = [_case_row(result) for result in results]
    ids = ids_of(connection, cases, CASE, rows)
    return [ids[tuple(row[name] for name in CASE)] for row in rows]


def _case_row(result: Result) -> Row:
    return {
        "name": storable(result.case),
        "artifact": storable(result.artifact),
        "runtime": storable(result.runtime),
        "batch_size": result.batch_size,
        "threads": result.threads,
        "io": result.io,
        "subject": storable(result.subject),
        "model": storable(result.model),
        "variant": storable(result.variant),
    }


def metric_ids(connection: Connection, metrics: Sequence[Metric]) -> Sequence[int]:
    """The name of each metric, in order."""
    rows = [{"name": storable(each.name), "unit": storable(each.unit), "direction": each.direction} for each in metrics]
    ids = ids_of(connection, metric_names, METRIC, rows)
    return [ids[tuple(row[name] for name in METRIC)] for row in rows]


def evaluation_ids(connection: Connection, results: Sequence[Result]) -> Sequence[int | None]:
    """The evaluation of each result, in order; None where it has none."""
    rows = [None if result.evaluation is None else _evaluation_row(result.evaluation) for result in results]
    ids = ids_of(connection, evaluations, CONTENT, [row for row in rows if row is not None])
    return [None if row is None else ids[(row["sha256"],)] for row in rows]


def _evaluation_row(evaluation: Evaluation) -> Row:
    sha256, content = packed(evaluation)
    return {"sha256": sha256, "samples": evaluation.samples, "task": storable(evaluation.task), "content": content}


def _json(record: msgspec.Struct) -> str:
    return msgspec.json.encode(record).decode()


def _sha256(content: object) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()


def storable(text: str) -> str:
    """Text as PostgreSQL takes it: a zero byte, which no sound report holds, is not among it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
