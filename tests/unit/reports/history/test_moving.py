"""A history in other tools' hands, and in another place."""

from __future__ import annotations

import csv
import io
import json
import sqlite3

import pytest
from sqlalchemy import select

from crossrt.history.store.address import parse_address
from crossrt.history.store.collecting import add_files
from crossrt.history.store.copying import copy_runs
from crossrt.history.store.database import open_history
from crossrt.history.store.export import COLUMNS, as_lines, exported_rows
from crossrt.history.store.reading import read_entry
from crossrt.history.store.tables import runs
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import write_together


def entries(address):
    with open_history(address) as history, history.reading() as connection:
        return [read_entry(connection, each) for each in connection.execute(select(runs.c.id)).scalars().all()]


def exported(reading, style):
    return reading(lambda connection: b"".join(as_lines(exported_rows(connection), style)).decode())


def test_csv_has_a_row_for_each_metric(add, reading, make_run):
    reports = [make_run(1), make_run(2, "fp32@ort-cpu", "int8@tflite")]
    add(*reports)
    rows = list(csv.DictReader(io.StringIO(exported(reading, "csv"))))
    assert tuple(rows[0]) == COLUMNS
    found = {(row["run"], row["case"], row["metric"]): float(row["value"]) for row in rows}
    assert found == {(report.run.id, m.case, m.name): m.value for report in reports for m in report.metrics}
    latency = next(row for row in rows if row["metric"] == "latency_p50_ns")
    assert float(latency["level"]) == pytest.approx(10.8, abs=0.1)
    assert latency["relative_level"]
    size = next(row for row in rows if row["metric"] == "size_bytes")
    assert (size["lower"], size["level"]) == ("", "")


def test_lines_of_json_leave_out_what_is_not_known(add, reading, make_run):
    add(make_run(1))
    rows = [json.loads(line) for line in exported(reading, "jsonl").splitlines()]
    size = next(row for row in rows if row["metric"] == "size_bytes")
    assert (size["value"], size["started_at"]) == (1000.0, "2026-01-02T00:00:00Z")
    assert "lower" not in size


def test_an_export_that_fails_leaves_the_old_file(tmp_path):
    def parts():
        yield b"half"
        raise ReportError("gone")

    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(ReportError):
        write_together({tmp_path / "out.csv": parts()})
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "old")]


def test_a_copy_is_the_same_history(address, add, make_run, tmp_path):
    add(make_run(1), make_run(2, "int8@tflite"), make_run(3, status="interrupted"))
    target = parse_address(str(tmp_path / "copy.sqlite"))
    assert list(copy_runs(address, target)) == ["added"] * 3
    assert list(copy_runs(address, target)) == ["known"] * 3
    assert entries(target) == entries(address)


@pytest.mark.postgresql
def test_a_file_moves_to_a_server_and_back(file_address, postgresql_url, save, make_run, tmp_path):
    list(add_files(file_address, save(make_run(1), make_run(2, "int8@tflite"))))
    server, back = parse_address(postgresql_url), parse_address(str(tmp_path / "back.sqlite"))
    assert list(copy_runs(file_address, server)) == ["added", "added"]
    assert list(copy_runs(server, back)) == ["added", "added"]
    assert entries(back) == entries(server)
    for moved, kept in zip(entries(server), entries(file_address), strict=True):
        assert moved.report == kept.report
        assert {key: level.plain for key, level in moved.levels.items()} == {
            key: level.plain for key, level in kept.levels.items()
        }


def test_a_history_is_not_copied_to_itself(file_address):
    with pytest.raises(ReportError, match="cannot be copied to itself"):
        list(copy_runs(file_address, file_address))


def test_a_file_is_plain_sqlite(file_address, save, make_run):
    """Other tools may ask it too."""
    list(add_files(file_address, save(make_run(1))))
    query = """
        SELECT value FROM times JOIN results ON results.id = result_id JOIN cases ON cases.id = case_id
        JOIN metric_names ON metric_names.id = metric_id
        WHERE cases.name LIKE '%fp32@ort-cpu%' AND metric_names.name = 'latency_p50_ns'
    """
    connection = sqlite3.connect(file_address.path)
    assert 45_000 < connection.execute(query).fetchone()[0] < 55_000
    connection.close()
