"""Histories that somebody edited, or that a disk damaged."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE runs SET git_revision = x'00'", "runs.git_revision"),
        ("UPDATE runs SET started_at = 20261125", "runs.started_at"),
        ("UPDATE runs SET added_at = '2026-02-30 10:00:00.000000'", "runs.added_at"),
        ("UPDATE runs SET started_at = '2026-02-20 10:00:00.x00000'", "runs.started_at"),
        ("UPDATE definitions SET content = '[{]'", "damaged"),
        ("UPDATE environments SET content = '{}'", "damaged"),
    ],
)
def test_a_history_with_damaged_rows_is_one_message(crossrt, tmp_path, change, where):
    assert crossrt("history", "add", REPORT, "--history", "h.sqlite").returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "h.sqlite")) as connection, connection:
        connection.execute(change)
    told = 0
    for command in (["list"], ["trend", "latency_p50_ns"], ["gate", REPORT], ["export"]):
        done = crossrt("history", *command, "--history", "h.sqlite")
        assert done.returncode in (0, 2, 3), command
        assert not done.stderr or (where in done.stderr and "put a backup in its place" in done.stderr), command
        told += done.returncode == 2
    assert told
