"""The tables of a history, as they are after all migrations.

What many runs have in common (environments, data sets, files, evaluations, names) is stored once and found by its
content, so that a run adds little more than its numbers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    REAL,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata: Final = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which knows no zones, holds it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC, and saying so."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


environments: Final = Table(
    "environments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, comment="of content and of whether calls were pinned"),
    Column("key", String(64), nullable=False, comment="equal where times may be compared"),
    Column("cpu_model", Text, nullable=False),
    Column("content", Text, nullable=False, comment="JSON, without what changes from run to run"),
    Index("environments_sha256", "sha256", unique=True),
    Index("environments_key", "key"),
)

datasets: Final = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, comment="of content"),
    Column("name", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, comment="equal where samples are the same"),
    Column("content", Text, nullable=False, comment="JSON"),
    Index("datasets_sha256", "sha256", unique=True),
)

definitions: Final = Table(
    "definitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, comment="of content"),
    Column("content", Text, nullable=False, comment="JSON: a list of what every metric of a report is"),
    Index("definitions_sha256", "sha256", unique=True),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, comment="the run's id in its report"),
    Column("sha256", String(64), nullable=False, comment="of the report file"),
    Column("path", Text, nullable=False, comment="where the report file was"),
    Column("environment_id", Integer, ForeignKey("environments.id"), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("git_revision", Text),
    Column("git_dirty", Boolean),
    Column("workload", Double, comment="logarithm of the nanoseconds of the reference workload"),
    Column("content", Text, nullable=False, comment="JSON of the report's run"),
    Column("dataset_id", Integer, ForeignKey("datasets.id")),
    Column("definitions_id", Integer, ForeignKey("definitions.id")),
    Column("about", Text, nullable=False, comment="JSON: task, reference, model, dimensions, cautions"),
    Index("runs_name", "name", unique=True),
    Index("runs_sha256", "sha256", unique=True),
    Index("runs_environment_started", "environment_id", "started_at"),
    Index("runs_started", "started_at"),
)

artifacts: Final = Table(
    "artifacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, comment="of content"),
    Column("name", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("content", Text, nullable=False, comment="JSON"),
    Index("artifacts_sha256", "sha256", unique=True),
)

cases: Final = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("artifact", Text, nullable=False),
    Column("runtime", Text, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("threads", Integer, nullable=False),
    Column("io", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what its scenarios share"),
    Column("model", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Index(
        "cases_all",
        "name",
        "artifact",
        "runtime",
        "batch_size",
        "threads",
        "io",
        "subject",
        "model",
        "variant",
        unique=True,
    ),
)

evaluations: Final = Table(
    "evaluations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, comment="of content, before it was compressed"),
    Column("samples", Integer, nullable=False),
    Column("task", Text, nullable=False),
    Column("content", LargeBinary, nullable=False, comment="msgpack, compressed by zlib"),
    Index("evaluations_sha256", "sha256", unique=True),
)

results: Final = Table(
    "results",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column("case_id", Integer, ForeignKey("cases.id"), nullable=False),
    Column("artifact_id", Integer, ForeignKey("artifacts.id")),
    Column("evaluation_id", Integer, ForeignKey("evaluations.id")),
    Column("rounds", SmallInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("runtime_version", Text),
    Column("reason", Text),
    Index("results_run_case", "run_id", "case_id", unique=True),
)

metric_names: Final = Table(
    "metric_names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Index("metric_names_all", "name", "unit", "direction", unique=True),
)

metrics: Final = Table(
    "metrics",
    metadata,
    Column("result_id", Integer, ForeignKey("results.id"), primary_key=True, autoincrement=False),
    Column("metric_id", SmallInteger, ForeignKey("metric_names.id"), primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    Column("lower", Double),
    Column("upper", Double),
    sqlite_with_rowid=False,
)

times: Final = Table(
    "times",
    metadata,
    Column("result_id", Integer, ForeignKey("results.id"), primary_key=True, autoincrement=False),
    Column("metric_id", SmallInteger, ForeignKey("metric_names.id"), primary_key=True, autoincrement=False),
    Column("rounds", SmallInteger, nullable=False, comment="that the levels come from"),
    Column("value", Double, nullable=False),
    Column("lower", Double),
    Column("upper", Double),
    Column("level", Double, comment="trimmed mean over rounds of logarithms of nanoseconds"),
    Column("relative", Double, comment="likewise, each round less the logarithm of the reference workload"),
    Column("error", REAL, comment="standard error of level"),
    Column("relative_error", REAL, comment="standard error of relative"),
    sqlite_with_rowid=False,
)
