"""What an addition promises: whole or not at all, once, from many processes at a time, on both databases."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text

from crossrt.history.judging.selection import newest, run_named, run_rows
from crossrt.history.store import adding
from crossrt.history.store.address import parse_address
from crossrt.history.store.collecting import add_files
from crossrt.history.store.database import open_history
from crossrt.history.store.entries import read_entry_file
from crossrt.history.store.reading import read_entry
from crossrt.history.store.tables import (
    artifacts,
    cases,
    environments,
    evaluations,
    metrics,
    results,
    runs,
    times,
)
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import write_report
from crossrt.reports.schema.folders import report_files


def count(table):
    return lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_report_comes_back_as_it_was_added(add, save, reading, make_run):
    report = make_run(3, "fp32@ort-cpu", "int8@tflite")
    assert add(report) == ["added"]
    (path,) = save(report)
    entry = read_entry_file(path)
    kept = reading(lambda connection: read_entry(connection, run_named(connection, "run-003").number))
    assert (kept.sha256, kept.path, kept.started_at) == (entry.sha256, entry.path, entry.started_at)
    assert (kept.environment, kept.workload, kept.rounds) == (entry.environment, entry.workload, entry.rounds)
    assert set(kept.report.metrics) == set(report.metrics)
    assert (kept.report.data, kept.report.task) == (report.data, report.task)
    assert kept.report.definitions == report.definitions
    assert kept.report.results == entry.report.results
    assert sorted(kept.report.artifacts, key=lambda each: each.id) == sorted(report.artifacts, key=lambda each: each.id)
    assert kept.report.run == report.run
    assert kept.levels.keys() == entry.levels.keys()
    for key, level in kept.levels.items():
        assert level.plain == entry.levels[key].plain
        assert level.relative == entry.levels[key].relative
        assert level.relative_error == pytest.approx(entry.levels[key].relative_error, rel=1e-6)


def test_adding_twice_changes_nothing(add, reading, make_run):
    assert add(make_run(1), make_run(2)) == ["added", "added"]
    before = [reading(count(table)) for table in (runs, results, metrics, times, cases, artifacts, evaluations)]
    assert add(make_run(1), make_run(2)) == ["known", "known"]
    assert [reading(count(table)) for table in (runs, results, metrics, times, cases, artifacts, evaluations)] == before


def test_what_runs_share_is_stored_once(add, reading, make_run):
    add(*(make_run(day, "fp32@ort-cpu", "int8@tflite") for day in range(4)))
    assert reading(count(runs)) == 4
    assert [reading(count(table)) for table in (environments, cases, artifacts, evaluations)] == [1, 2, 2, 1]


def test_another_report_of_the_same_run_is_refused(add, save, address, reading, make_run):
    add(make_run(1))
    other = msgspec.structs.replace(make_run(1, slower={"fp32@ort-cpu": 1.1}))
    (found,) = add_files(address, save(other))
    assert found.outcome == "refused"
    assert "another report of the run run-001" in found.reason
    assert reading(count(runs)) == 1


def test_what_cannot_be_read_does_not_stop_the_others(address, save, reading, make_run, tmp_path):
    paths = save(make_run(1), make_run(2))
    broken, duel = tmp_path / "results" / "broken" / "report.json", tmp_path / "duel.json"
    broken.parent.mkdir()
    broken.write_text("{}")
    duel.write_text('{"schema_version": 1, "kind": "duel"}')
    found = list(add_files(address, [broken, duel, *paths]))
    assert [each.outcome for each in found] == ["refused", "refused", "added", "added"]
    assert "is an A/B comparison" in found[1].reason
    assert reading(count(runs)) == 2


def test_nothing_is_begun_where_no_report_can_be_read(file_address, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    assert [each.outcome for each in add_files(file_address, [tmp_path / "report.json"])] == ["refused"]
    assert not file_address.path.exists()


def test_a_time_that_is_none_is_refused(file_address, save, make_run):
    report = make_run(1)
    odd = msgspec.structs.replace(report, run=msgspec.structs.replace(report.run, started_at="yesterday"))
    (found,) = add_files(file_address, save(odd))
    assert "began at 'yesterday', which is not an ISO 8601 time" in found.reason


def test_folders_are_searched_for_reports(save, make_run, tmp_path):
    paths = save(make_run(1), make_run(2))
    assert report_files([tmp_path, paths[0]]) == paths
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReportError, match="holds no report"):
        report_files([tmp_path / "empty"])


def test_interrupted_runs_are_kept_and_marked(add, reading, make_run):
    add(make_run(1), make_run(2, status="interrupted"))
    rows = reading(lambda connection: run_rows(connection, newest()))
    assert [(row.name, row.status) for row in rows] == [("run-002", "interrupted"), ("run-001", "complete")]


def test_failed_and_skipped_cases_keep_their_reason(add, reading, make_run):

    broken = make_run(3)
    result = msgspec.structs.replace(broken.results[0], status="failed", reason="crashed \0 hard", rounds=())
    add(msgspec.structs.replace(broken, results=(result,), metrics=()))
    kept = reading(lambda connection: read_entry(connection, run_named(connection, "run-003").number))
    assert kept.report.results[0].status == "failed"
    assert kept.report.results[0].reason.startswith("crashed")
    assert kept.levels == {}


def test_sample_report_of_version_1_is_added(address, reading, sample_path, sample):
    assert [each.outcome for each in add_files(address, [sample_path])] == ["added"]
    kept = reading(lambda connection: read_entry(connection, run_named(connection, sample.run.id).number))
    assert set(kept.report.metrics) == set(sample.metrics)
    assert kept.sha256 == hashlib.sha256(sample_path.read_bytes()).hexdigest()


ADD = """
import os, signal, sys
from pathlib import Path
from crossrt.history.store import adding
from crossrt.history.store.address import parse_address
from crossrt.history.store.collecting import add_files
from crossrt.reports.schema.folders import report_files
place, folder, is_killed = sys.argv[1:]
if is_killed == "killed":
    adding._add_numbers = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
for _ in add_files(parse_address(place), report_files([Path(folder)])):
    pass
"""


def adding_process(place: str, folder: Path, *, is_killed: bool = False) -> subprocess.Popen[bytes]:
    """A process of its own that adds a folder, and is killed when its first report is half in the history if wanted."""
    return subprocess.Popen([sys.executable, "-P", "-c", ADD, place, str(folder), "killed" if is_killed else ""])


def test_processes_that_add_at_the_same_time_lose_nothing(place, reading, make_run, tmp_path):
    for day in range(12):
        write_report(make_run(day, "fp32@ort-cpu", "int8@tflite"), tmp_path / f"{day % 3}" / f"{day}" / "report.json")
        write_report(make_run(99, "fp32@ort-cpu"), tmp_path / f"{day % 3}" / "shared" / "report.json")
    processes = [adding_process(place, tmp_path / f"{each}") for each in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert reading(count(runs)) == 13
    assert reading(count(results)) == 25
    assert reading(count(cases)) == 2
    assert reading(count(environments)) == 1


def test_a_process_that_is_killed_leaves_no_half(place, add, reading, make_run, tmp_path):
    add(make_run(1))
    write_report(make_run(2, "int8@tflite"), tmp_path / "next" / "report.json")
    assert adding_process(place, tmp_path / "next", is_killed=True).wait(60) == -signal.SIGKILL
    assert [reading(count(table)) for table in (runs, results, cases)] == [1, 1, 1]
    assert add(make_run(2, "int8@tflite")) == ["added"]


def test_an_addition_that_fails_leaves_no_half(address, save, reading, make_run, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    paths = save(make_run(1), make_run(2, "int8@tflite"))
    list(add_files(address, paths[:1]))
    monkeypatch.setattr(adding, "_add_numbers", fail)
    with pytest.raises(KeyboardInterrupt):
        list(add_files(address, paths[1:]))
    assert [reading(count(table)) for table in (runs, results, cases)] == [1, 1, 1]


def test_a_report_of_thirty_cases_takes_less_than_50_kb(place, save, make_run, tmp_path):
    """Growth over twenty reports, which the benchmark measures over ten thousand."""
    report = make_run(0, *(f"v{number}@ort-cpu" for number in range(30)), rounds=2)
    (path,) = save(report)
    entry = read_entry_file(path)
    with open_history(parse_address(place), writes=True) as history:
        for day in range(21):
            run = msgspec.structs.replace(report.run, id=f"run-{day}")
            again = msgspec.structs.replace(entry.report, run=run)
            with history.writing() as connection:
                adding.add_entry(connection, _renamed(entry, again, day))
            if day == 0:
                before = size(history)
        growth = (size(history) - before) / 20
    assert growth < 50_000, growth


def _renamed(entry, report, day):
    from dataclasses import replace

    return replace(entry, report=report, sha256=hashlib.sha256(str(day).encode()).hexdigest())


def size(history) -> int:
    if history.address.path is not None:
        return history.address.path.stat().st_size
    with history.reading() as connection:  # rows and indexes of our own; a vacuum adds maps and statistics at any time
        return connection.execute(
            text("SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'i', 't')")
        ).scalar_one()
