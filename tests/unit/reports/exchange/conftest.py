from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition
from crossrt.reports.schema.records import Report


@pytest.fixture
def mixed(make_result, make_report) -> Report:
    """Two timed cases, one that failed before anything was measured, and one that was skipped."""
    unmeasured = {"rounds": (), "evaluation": None, "memory": None, "runtime_version": None}
    return make_report(
        make_result(medians=(50_000, 51_000, 52_000, 50_500)),
        make_result("int8@tflite", medians=(20_000, 21_000, 20_500, 20_700)),
        make_result(
            "bad@tflite", status="failed", reason="it <broke>", stderr_tail="last words \x1b[31m", **unmeasured
        ),
        make_result("gone@tflite", status="skipped", reason="not installed", **unmeasured),
    )


@pytest.fixture
def regression(make_result, make_report, make_numbers) -> Report:
    """A case of a task of one's own: errors in degrees, and a share of variance that may be negative."""
    definitions = (
        MetricDefinition(
            name="mae", label="MAE", unit="deg C", direction=SMALLER, judged_by="samples", paired_test="paired-t"
        ),
        MetricDefinition(name="r2", label="R2", unit="", direction=BIGGER, judged_by="difference"),
    )
    evaluation = make_numbers([0.2, 0.3])
    evaluation = msgspec.structs.replace(evaluation, values={**evaluation.values, "r2": -0.5})
    return make_report(make_result(evaluation=evaluation), definitions=definitions, task="regression")


@pytest.fixture
def unmeasured(make_result, make_report) -> Report:
    """A report of one skipped case, without a metric."""
    result = make_result(status="skipped", reason="not installed", rounds=(), evaluation=None, memory=None)
    return msgspec.structs.replace(make_report(result), metrics=())


@pytest.fixture
def rename():
    """Calls the first case of a report something else, in its metrics too."""

    def call(report: Report, case: str) -> Report:
        first = report.results[0]
        results = (msgspec.structs.replace(first, case=case), *report.results[1:])
        metrics = tuple(
            msgspec.structs.replace(each, case=case) if each.case == first.case else each for each in report.metrics
        )
        return msgspec.structs.replace(report, results=results, metrics=metrics)

    return call


@pytest.fixture
def consumer(tmp_path):
    """Runs the tool that reads a format, as `python -m`, and returns what it printed."""

    def run(*arguments: object, cwd=tmp_path) -> str:
        command = [sys.executable, "-P", "-m", *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
