"""A report as the file of pytest-benchmark, read by pytest-benchmark itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from crossrt.reports.exchange.to_pytest_benchmark import as_pytest_benchmark


@pytest.fixture
def file(make_result, make_report, tmp_path):
    report = make_report(
        make_result(), make_result("int8@tflite", medians=(20_000, 21_000)), make_result("bad@tflite", status="failed")
    )
    path = tmp_path / "report.json"
    path.write_text(as_pytest_benchmark(report))
    return path


def test_pytest_benchmark_compares_it(file, tmp_path):
    command = [sys.executable, "-P", "-m", "pytest_benchmark", "compare", str(file), "--columns=median,rounds"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert "mnist-cnn.fp32@ort-cpu/b1/t1" in done.stdout
    assert "mnist-cnn.int8@tflite/b1/t1" in done.stdout
    assert "bad@tflite" not in done.stdout


def test_statistics_are_those_of_all_calls_in_seconds(file):
    content = json.loads(file.read_text())
    stats = content["benchmarks"][1]["stats"]
    assert stats["median"] == pytest.approx(20.5e-6, rel=0.01)
    assert stats["min"] <= stats["q1"] <= stats["median"] <= stats["q3"] <= stats["max"]
    assert stats["ops"] == pytest.approx(1 / stats["mean"])
    assert stats["iterations"] == 1


def test_other_metrics_are_extra(file):
    extra = json.loads(file.read_text())["benchmarks"][0]["extra_info"]
    assert extra["case"] == "mnist-cnn.fp32@ort-cpu/b1/t1"
    assert (extra["task"], extra["dataset"]) == ("classification", "test set")
    assert {"top1", "size_bytes", "latency_p50_ns"} <= extra.keys()


def test_cases_can_be_grouped_by_what_they_are_made_of(file, tmp_path):
    command = [sys.executable, "-P", "-m", "pytest_benchmark", "compare", str(file), "--group-by=param:runtime"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert "runtime=ort-cpu" in done.stdout
    assert "runtime=tflite" in done.stdout


def test_nothing_is_nan_or_null_that_a_consumer_computes_with(file):
    for benchmark in json.loads(file.read_text())["benchmarks"]:
        assert all(value is not None and value == value for value in benchmark["stats"].values())
