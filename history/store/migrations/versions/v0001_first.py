"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes all tables."""
    _shared()
    _runs()
    _numbers()


def _shared() -> None:
    """What many runs have in common."""
    op.create_table(
        "environments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of content and of whether calls were pinned"),
        sa.Column("key", sa.String(64), nullable=False, comment="equal where times may be compared"),
        sa.Column("cpu_model", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False, comment="JSON, without what changes from run to run"),
    )
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of content"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False, comment="JSON"),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("artifact", sa.Text, nullable=False),
        sa.Column("runtime", sa.Text, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("io", sa.Text, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of all other columns"),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("correct", sa.Integer, nullable=False),
        sa.Column("reference_correct", sa.Integer),
        sa.Column("wrong", sa.LargeBinary, comment="msgpack: steps from digit to digit, each with what it was called"),
    )
    op.create_table(
        "metric_names",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
    )
    op.create_index("environments_sha256", "environments", ["sha256"], unique=True)
    op.create_index("environments_key", "environments", ["key"])
    op.create_index("artifacts_sha256", "artifacts", ["sha256"], unique=True)
    parts = ["name", "artifact", "runtime", "batch_size", "threads", "io"]
    op.create_index("cases_all", "cases", parts, unique=True)
    op.create_index("answers_sha256", "answers", ["sha256"], unique=True)
    op.create_index("metric_names_all", "metric_names", ["name", "unit", "direction"], unique=True)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, comment="the run's id in its report"),
        sa.Column("sha256", sa.String(64), nullable=False, comment="of the report file"),
        sa.Column("path", sa.Text, nullable=False, comment="where the report file was"),
        sa.Column("environment_id", sa.Integer, sa.ForeignKey("environments.id"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("git_revision", sa.Text),
        sa.Column("git_dirty", sa.Boolean),
        sa.Column("anchor", sa.Double, comment="logarithm of the anchor's nanoseconds"),
        sa.Column("content", sa.Text, nullable=False, comment="JSON of the report's run"),
    )
    op.create_index("runs_name", "runs", ["name"], unique=True)
    op.create_index("runs_sha256", "runs", ["sha256"], unique=True)
    op.create_index("runs_environment_started", "runs", ["environment_id", "started_at"])
    op.create_index("runs_started", "runs", ["started_at"])


def _numbers() -> None:
    """What a run found, case by case."""
    op.create_table(
        "results",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("artifact_id", sa.Integer, sa.ForeignKey("artifacts.id")),
        sa.Column("answers_id", sa.Integer, sa.ForeignKey("answers.id")),
        sa.Column("calls_per_block", sa.Integer, nullable=False),
        sa.Column("rounds", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("runtime_version", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index("results_run_case", "results", ["run_id", "case_id"], unique=True)
    op.create_table(
        "metrics",
        *_key(),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("lower", sa.Double),
        sa.Column("upper", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "times",
        *_key(),
        sa.Column("rounds", sa.SmallInteger, nullable=False, comment="that the levels come from"),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("lower", sa.Double),
        sa.Column("upper", sa.Double),
        sa.Column("level", sa.Double, comment="trimmed mean over rounds of logarithms of nanoseconds"),
        sa.Column("anchored", sa.Double, comment="likewise, each round less the anchor's logarithm"),
        sa.Column("error", sa.REAL, comment="standard error of level"),
        sa.Column("anchored_error", sa.REAL, comment="standard error of anchored"),
        sqlite_with_rowid=False,
    )


def _key() -> tuple[sa.Column[int], ...]:
    result, metric = sa.ForeignKey("results.id"), sa.ForeignKey("metric_names.id")
    return (
        sa.Column("result_id", sa.Integer, result, primary_key=True, autoincrement=False),
        sa.Column("metric_id", sa.SmallInteger, metric, primary_key=True, autoincrement=False),
    )
