"""A runtime that reads a variant in two formats: each file is a case of its own, everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.reports.schema.files import read_report, write_report

pytestmark = pytest.mark.processes

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def both(monkeypatch):
    """Registers the runtime that reads both formats."""
    monkeypatch.setenv("PYTHONPATH", str(DATA / "both"))
    monkeypatch.syspath_prepend(str(DATA / "both"))


def test_each_file_is_a_case_of_its_own_and_the_report_is_read_again(bench, tmp_path):
    report = bench(runtimes=("both",), only=("fp32",), effort_rounds=1)
    assert [(each.case, each.artifact, each.status) for each in report.results] == [
        ("conv.fp32.onnx@both/b1/t1", "conv.fp32.onnx", "ok"),
        ("conv.fp32.tflite@both/b1/t1", "conv.fp32.tflite", "ok"),
    ]
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report
    assert {each.case for each in report.metrics if each.name == "latency_p50_ns"} == {
        each.case for each in report.results
    }


def test_both_files_can_be_shown_again(bench, crossrt, tmp_path):
    write_report(bench(runtimes=("both",), only=("fp32",), effort_rounds=1), tmp_path / "report.json")
    done = crossrt("show", "report.json")
    assert done.returncode == 0, done.stderr
    assert "fp32.onnx@both" in done.stdout
    assert "fp32.tflite@both" in done.stdout


def test_one_can_be_compared_with_the_other(duel):
    found = duel("fp32.onnx@both", "fp32.tflite@both", margin=5.0)
    assert [found.a.result.artifact, found.b.result.artifact] == ["conv.fp32.onnx", "conv.fp32.tflite"]
    assert found.a.result.case != found.b.result.case


def test_a_side_that_could_be_both_is_refused_with_their_names(duel):
    with pytest.raises(HarnessError, match=r"'fp32@both' names 2 files: name one of fp32.onnx@both, fp32.tflite@both"):
        duel("fp32@both", "fp32.tflite@both", margin=5.0)
