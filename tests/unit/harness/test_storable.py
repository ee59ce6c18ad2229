"""Nothing is written that is not read again, and no case takes the results of the others with it."""

from __future__ import annotations

import json
import math

import msgspec
import pytest

from crossrt.harness.evaluate.judge import Judge
from crossrt.reports.schema.files import read_report, write_report

pytestmark = pytest.mark.processes


def statuses(report):
    return {each.variant: each.status for each in report.results}


def test_an_output_beyond_what_a_report_holds_is_a_failed_row(bench, folder, tmp_path):
    path = folder / "conv.int8-io.tflite.manifest.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"][0]["scale"] = 1e30
    path.write_text(json.dumps(manifest))
    report = bench(only=("tflite",), runtimes=("tflite",), effort_rounds=1)
    assert statuses(report) == {"fp32": "ok", "int8-io": "failed"}
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_a_case_that_cannot_be_saved_leaves_the_others_alone(bench, tmp_path, monkeypatch):
    plain = Judge.evaluate

    def evaluate(self, outputs, artifact):
        found = plain(self, outputs, artifact)
        return found if artifact.role == "float" else msgspec.structs.replace(found, values={"top1": math.inf})

    monkeypatch.setattr(Judge, "evaluate", evaluate)
    report = bench(only=("tflite",), runtimes=("tflite",), effort_rounds=1)
    write_report(report, tmp_path / "report.json")
    found = read_report(tmp_path / "report.json")
    assert statuses(found) == {"fp32": "ok", "int8-io": "failed"}
    (reason,) = [each.reason for each in found.results if each.status == "failed"]
    assert reason.startswith("was measured, but what it found cannot be saved: ")
