"""Any model, any data, any task: what reports of schema version 2 hold, and what version 1 called otherwise.

Runs of version 1 were of classifiers. Their wrong answers become a bit for each sample and the class that was given;
metrics, records and columns get their new names. Nothing is lost but calls per block, which no verdict of a history
rests on, and the texts of definitions, which `version_1` replaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

from crossrt.history.store.migrations import version_1

revision = "0002"
down_revision = "0001"

_TEXT = "TEXT NOT NULL DEFAULT ''"
_COMMENTS = {
    "runs.workload": "logarithm of the nanoseconds of the reference workload",
    "runs.about": "JSON: task, reference, model, dimensions, cautions",
    "cases.subject": "what its scenarios share",
    "evaluations.sha256": "of content, before it was compressed",
    "evaluations.content": "msgpack, compressed by zlib",
    "times.relative": "likewise, each round less the logarithm of the reference workload",
    "times.relative_error": "standard error of relative",
}


def upgrade() -> None:
    """Changes the tables, then what is in them."""
    _make_tables()
    _alter_tables()
    _move_runs()
    _move_environments()
    _move_artifacts()
    _move_cases()
    _move_evaluations()
    _rename_metrics()
    _drop_columns()
    _comment()


def _make_tables() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of content"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False, comment="equal where samples are the same"),
        sa.Column("content", sa.Text, nullable=False, comment="JSON"),
    )
    op.create_index("datasets_sha256", "datasets", ["sha256"], unique=True)
    op.create_table(
        "definitions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of content"),
        sa.Column("content", sa.Text, nullable=False, comment="JSON: a list of what every metric of a report is"),
    )
    op.create_index("definitions_sha256", "definitions", ["sha256"], unique=True)


def _alter_tables() -> None:
    """In SQL that both databases take: alembic itself cannot do this on SQLite without copying every table."""
    binary = "BLOB" if op.get_bind().dialect.name == "sqlite" else "BYTEA"
    for change in (
        "runs RENAME COLUMN anchor TO workload",
        "runs ADD COLUMN dataset_id INTEGER REFERENCES datasets (id)",
        "runs ADD COLUMN definitions_id INTEGER REFERENCES definitions (id)",
        f"runs ADD COLUMN about {_TEXT}",
        "times RENAME COLUMN anchored TO relative",
        "times RENAME COLUMN anchored_error TO relative_error",
        *(f"cases ADD COLUMN {name} {_TEXT}" for name in ("subject", "model", "variant")),
        "answers RENAME TO evaluations",
        f"evaluations ADD COLUMN task {_TEXT}",
        f"evaluations ADD COLUMN content {binary} NOT NULL DEFAULT ''",
        "results RENAME COLUMN answers_id TO evaluation_id",
    ):
        op.execute(f"ALTER TABLE {change}")
    op.drop_index("answers_sha256", "evaluations")
    op.drop_index("cases_all", "cases")
    parts = ("name", "artifact", "runtime", "batch_size", "threads", "io", "subject", "model", "variant")
    op.create_index("cases_all", "cases", list(parts), unique=True)


def _move_runs() -> None:
    """Data set, definitions and task, which version 1 kept with the environment or did not need."""
    definitions = version_1.definitions()
    known = _insert("definitions", sha256=version_1.digest(definitions), content=definitions) if _rows("runs") else None
    datasets: dict[str, int] = {}
    query = "SELECT runs.id, runs.content, environments.content AS environment FROM runs JOIN environments"
    for row in _select(f"{query} ON environments.id = runs.environment_id ORDER BY runs.id"):
        environment = json.loads(row.environment)
        data = version_1.dataset(environment, _samples(row.id))
        if data not in datasets:
            name, fingerprint = (json.loads(data)[each] for each in ("name", "fingerprint"))
            datasets[data] = _insert(
                "datasets", sha256=version_1.digest(data), name=name, fingerprint=fingerprint, content=data
            )
        _update(
            "runs",
            row.id,
            content=version_1.run(row.content),
            about=version_1.about(environment),
            dataset_id=datasets[data],
            definitions_id=known,
        )


def _samples(run: int) -> int:
    query = "SELECT max(samples) AS samples FROM results JOIN evaluations ON evaluations.id = results.evaluation_id"
    (row,) = _select(f"{query} WHERE results.run_id = :run", run=run)
    return row.samples or 0


def _move_environments() -> None:
    """Those that differed in data or model alone become one."""
    kept: dict[str, int] = {}
    for row in _select("SELECT id, key, content FROM environments ORDER BY id"):
        content = version_1.environment(row.content)
        sha256 = version_1.digest([content, row.key])
        if sha256 in kept:
            _execute("UPDATE runs SET environment_id = :kept WHERE environment_id = :id", kept=kept[sha256], id=row.id)
            _execute("DELETE FROM environments WHERE id = :id", id=row.id)
        else:
            kept[sha256] = row.id
            _update("environments", row.id, content=content, sha256=sha256)


def _move_artifacts() -> None:
    for row in _select("SELECT id, content FROM artifacts"):
        content = version_1.artifact(row.content)
        _update("artifacts", row.id, content=content, sha256=version_1.digest(content))


def _move_cases() -> None:
    for row in _select("SELECT id, name FROM cases"):
        _update("cases", row.id, **version_1.case(row.name))


def _move_evaluations() -> None:
    for row in _select("SELECT id, samples, correct, reference_correct, wrong FROM evaluations"):
        sha256, content = version_1.evaluation(row.samples, row.correct, row.reference_correct, row.wrong)
        _update("evaluations", row.id, sha256=sha256, content=content, task=version_1.TASK)
    op.create_index("evaluations_sha256", "evaluations", ["sha256"], unique=True)


def _rename_metrics() -> None:
    for old, new in version_1.RENAMED.items():
        _execute("UPDATE metric_names SET name = :new WHERE name = :old", old=old, new=new)


def _drop_columns() -> None:
    for column in ("correct", "reference_correct", "wrong"):
        op.execute(f"ALTER TABLE evaluations DROP COLUMN {column}")
    op.execute("ALTER TABLE results DROP COLUMN calls_per_block")


def _comment() -> None:
    """SQLite has no comments."""
    if op.get_bind().dialect.name != "sqlite":
        for column, text in _COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{text}'")


def _rows(table: str) -> int:
    (row,) = _select(f"SELECT count(*) AS number FROM {table}")  # noqa: S608 - names of our own
    return int(row.number)


def _select(query: str, **values: object) -> Iterable[Any]:
    return op.get_bind().execute(sa.text(query), values).all()


def _execute(statement: str, **values: object) -> None:
    op.get_bind().execute(sa.text(statement), values)


def _update(table: str, row: int, **values: object) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in values)
    _execute(f"UPDATE {table} SET {changes} WHERE id = :row", row=row, **values)  # noqa: S608 - names of our own


def _insert(table: str, **values: object) -> int:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"  # noqa: S608 - names of our own
    return int(op.get_bind().execute(sa.text(statement), values).scalar_one())
