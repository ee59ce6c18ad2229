"""A history that version 1 wrote is read and extended. `data/history-v1.sql` is the dump of such a file.

It holds the report sample of version 1 and eight runs of one to four cases on days of January 2026: from the fourth on
int8 answers three samples more wrongly, the fifth was interrupted, in the sixth a case failed and one ran natively, the
seventh had other data, no reference workload and no revision, the eighth another model.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlalchemy import MetaData, create_engine, select

from crossrt.history.judging.gate import judge_by_past
from crossrt.history.judging.past import past_of
from crossrt.history.judging.selection import newest, run_named, run_rows
from crossrt.history.judging.series import find_series
from crossrt.history.judging.trend import trend_of
from crossrt.history.store.address import SQLITE
from crossrt.history.store.collecting import add_files
from crossrt.history.store.database import open_history
from crossrt.history.store.entries import entry_of
from crossrt.history.store.reading import read_entry
from crossrt.history.store.versions import migrate

DUMP = Path(__file__).parent / "data" / "history-v1.sql"
FP32, INT8 = "mnist-cnn.fp32@ort-cpu/b1/t1", "mnist-cnn.int8@tflite/b1/t1"
ORDER = ("environments", "artifacts", "cases", "answers", "metric_names", "runs", "results", "metrics", "times")


@pytest.fixture
def old(address, tmp_path):
    """The history of version 1, in a file or copied row by row to a server."""
    path = address.path or tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(DUMP.read_text())
    connection.close()
    if address.backend != SQLITE:
        _copy_rows(path, create_engine(address.url))
    return address


def _copy_rows(path, server):
    source, tables = create_engine(f"sqlite:///{path}"), MetaData()
    tables.reflect(source)
    with source.connect() as reading, server.begin() as writing:
        migrate(writing, "0001")
        made = MetaData()
        made.reflect(writing)
        for name in ORDER:
            rows = [dict(row._mapping) for row in reading.execute(select(tables.tables[name]))]
            writing.execute(made.tables[name].insert(), rows)
            if "id" in made.tables[name].c:
                last = max(row["id"] for row in rows)
                writing.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})")
    server.dispose()


@pytest.fixture
def entry(old, reading):
    def read(name):
        return reading(lambda connection: read_entry(connection, run_named(connection, name).number))

    return read


@pytest.fixture
def ask(old, reading):
    def trend(metric, pattern="*"):
        return trend_of(reading(lambda c: find_series(c, metric, pattern, environment=None, last=100)))

    return trend


def test_every_run_is_there(old, reading):
    rows = reading(lambda connection: run_rows(connection, newest()))
    assert [row.name for row in rows][::-1][-1] == "20261121T074336Z-6e9b"
    assert {row.name for row in rows} == {"20261121T074336Z-6e9b", *(f"run-{day:03}" for day in range(8))}
    assert {row.name: row.status for row in rows}["run-004"] == "interrupted"


def test_the_sample_is_what_a_report_of_version_1_becomes(entry, sample, sample_path):
    kept, read = entry(sample.run.id), entry_of(sample, "", sample_path)
    assert kept.report.run == read.report.run
    assert kept.report.environment == msgspec.structs.replace(read.report.environment, load_average=())
    assert kept.environment == read.environment
    assert kept.report.data == read.report.data
    assert (kept.report.task, kept.report.model_sha256) == (read.report.task, read.report.model_sha256)
    assert kept.report.definitions == read.report.definitions
    assert set(kept.report.metrics) == set(read.report.metrics)
    by_id = {artifact.id: artifact for artifact in read.report.artifacts}
    assert {artifact.id: artifact for artifact in kept.report.artifacts} == by_id
    for found, expected in zip(kept.report.results, read.report.results, strict=True):
        assert (found.case, found.subject, found.model, found.variant) == (
            *(expected.case, expected.subject),
            *(expected.model, expected.variant),
        )
        assert found.evaluation.values == {"top1": expected.evaluation.values["top1"]}
        assert found.evaluation.reference_values == expected.evaluation.reference_values


def test_wrong_answers_become_bits_and_classes(entry):
    evaluations = {result.case: result.evaluation for result in entry("run-003").report.results}
    is_right = evaluations[INT8].per_sample["top1"].unpack()
    assert np.flatnonzero(~is_right).tolist() == [0, 1, 2, 3, 4]
    assert evaluations[INT8].predictions.unpack()[:6].tolist() == [1, 2, 3, 4, 5, -1]
    assert (evaluations[FP32].counts, evaluations[FP32].samples) == ({"top1": 198}, 200)


def test_metrics_have_their_new_names(entry):
    names = {metric.name for metric in entry("run-000").report.metrics}
    assert {"first_inference_ns", "agreement", "top1", "latency_p50_ns"} <= names
    assert not names & {"first_run_ns", "agreement_fp32"}
    assert ("mnist-cnn.fp32@ort-cpu/b1/t1", "first_inference_ns") in entry("run-000").levels


def test_failed_and_native_cases_are_what_they_were(entry):
    results = {result.case: result for result in entry("run-005").report.results}
    failed, native = results["mnist-cnn.dynamic@tflite/b1/t1"], results["mnist-cnn.int8@tflite/b8/t2/native"]
    assert (failed.status, failed.reason, failed.variant) == ("failed", "it broke", "dynamic")
    assert (native.io, native.batch_size, native.subject) == ("native", 8, "mnist-cnn.int8@tflite")


def test_runs_that_differed_in_data_or_model_alone_share_a_machine(entry):
    runs = [entry(f"run-{day:03}") for day in range(8)]
    assert len({run.environment for run in runs}) == 1
    assert len({run.report.data.fingerprint for run in runs}) == 2
    assert {run.report.model_sha256 for run in runs} >= {"1" * 64}
    assert runs[6].workload is None


def test_trends_go_on_over_the_border(old, add, ask, make_run):
    add(make_run(30, "fp32@ort-cpu", "int8@tflite"))
    (case,) = ask("first_inference_ns", "fp32@ort*").cases
    runs = [point.run for point in case.points if point.run.startswith("run-")]
    assert runs == [*(f"run-{day:03}" for day in (0, 1, 2, 3, 5, 6, 7)), "run-030"]
    top1 = next(case for case in ask("top1", "int8@tflite").cases if case.case == INT8)
    assert [round(point.value, 3) for point in top1.points] == [0.99, 0.99, 0.99, 0.975, 0.975, 0.99]
    assert [(step.index, step.is_worse) for step in top1.steps] == [(3, True), (5, False)]


def test_a_new_report_is_judged_by_old_runs(old, reading, make_run, tmp_path, make_evaluation):
    def judge(report):
        new = entry_of(report, "f" * 64, tmp_path / "report.json")
        return judge_by_past(new, reading(lambda connection: past_of(connection, new, 10)), ())

    day = 30
    same = judge(make_run(day, "fp32@ort-cpu", evaluation=make_evaluation(agreeing=200)))
    assert same.regressions == ()
    assert next(each for each in same.findings if each.metric == "latency_p50_ns").verdict == "same"
    slower = judge(make_run(day, "fp32@ort-cpu", slower={"fp32@ort-cpu": 1.5}))
    assert "slower" in {each.word for each in slower.regressions}
    wrong = judge(make_run(day, "fp32@ort-cpu", evaluation=make_evaluation(wrong=50)))
    found = next(each for each in wrong.regressions if each.metric == "top1")
    assert "48 samples broken, 0 fixed" in found.detail


def test_the_sample_is_known_already(old, save, sample_path, reading):
    with open_history(old):
        pass
    assert [added.outcome for added in add_files(old, [sample_path])] == ["known"]
