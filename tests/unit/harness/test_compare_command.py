"""`crossrt compare`, `duel` and `doctor` as commands: exit codes, formats, the step summary."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from crossrt.reports.schema.files import read_report, write_report

DATA = Path(__file__).parents[2] / "data"
REPORT = DATA / "report-v1.json"


@pytest.fixture
def slower(tmp_path):
    """The sample, with a model file of twice the size."""
    report = read_report(REPORT)
    metrics = tuple(
        msgspec.structs.replace(each, value=2 * each.value) if each.name == "size_bytes" else each
        for each in report.metrics
    )
    write_report(msgspec.structs.replace(report, metrics=metrics), tmp_path / "slower.json")
    return tmp_path / "slower.json"


def test_a_report_is_no_worse_than_itself(crossrt, tmp_path):
    done = crossrt("compare", REPORT, REPORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("No regression:")


def test_a_regression_exits_with_1(crossrt, tmp_path, slower):
    done = crossrt("compare", REPORT, slower)
    assert done.returncode == 1
    assert done.stdout.startswith("3 regressions in 3 cases")


def test_margins_come_from_the_command_line_and_from_toml(crossrt, tmp_path, slower):
    assert crossrt("compare", REPORT, slower, "--margin", "size_bytes=200%").returncode == 0
    (tmp_path / "crossrt.toml").write_text('[compare]\nmargin = ["size_bytes=200%", "fp32*:size_bytes=off"]\n')
    assert crossrt("compare", REPORT, slower, "--config", "crossrt.toml").returncode == 0


def test_only_selects_cases(crossrt, tmp_path, slower):
    done = crossrt("compare", REPORT, slower, "--only", "int8-qdq", "--all")
    assert "int8-qdq@ort-cpu" in done.stdout
    assert "fp32@tflite" not in done.stdout


def test_nothing_comparable_exits_with_3(crossrt, tmp_path):
    done = crossrt("compare", REPORT, REPORT, "--only", "no-such-case")
    assert done.returncode == 3
    assert "no case is in both reports" in done.stdout


def test_formats_are_what_they_are_called(crossrt, slower):
    as_json = crossrt("compare", REPORT, slower, "--format", "json")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["findings"][0]["word"] == "larger"
    suite = ET.fromstring(crossrt("compare", REPORT, slower, "--format", "junit").stdout)
    assert suite.get("failures") == "3"
    assert "### crossrt compare" in crossrt("compare", REPORT, slower, "--format", "markdown").stdout


def test_summary_of_a_github_job_is_added_to(crossrt, tmp_path, slower):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    crossrt("compare", REPORT, slower, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("before\n### crossrt compare")


def test_unusable_summary_does_not_hide_the_verdict(crossrt, tmp_path, slower):
    done = crossrt("compare", REPORT, slower, GITHUB_STEP_SUMMARY="/no/such/folder/summary.md")
    assert done.returncode == 1
    assert done.stdout.startswith("3 regressions")
    assert "summary" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a crossrt report"),
        (REPORT.read_text()[:5000], "is not a crossrt report"),
        ('{"schema_version": 99}', "schema version 99; this crossrt reads up to 2"),
        ('{"schema_version": 1}', "is damaged or was edited by hand"),
        (REPORT.read_text().replace('"load_ns": 5', '"load_ns": -5', 1), "is damaged or was edited by hand"),
        (REPORT.read_text().replace('"load_ns":', '"load_ns":NaN,"x":', 1), "report"),
    ],
)
def test_damaged_reports_are_refused(crossrt, tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content)
    for arguments in ((REPORT, "bad.json"), ("bad.json", REPORT)):
        done = crossrt("compare", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", REPORT, "none.json"], "none.json does not exist"),
        (["compare", REPORT, REPORT, "--margin", "latency=3%"], "names no metric"),
        (["compare", REPORT, REPORT, "--margin", "p50"], "is not written"),
        (["compare", REPORT, REPORT, "--history", "none"], "does not exist"),
        (["compare", REPORT], "Missing argument"),
        (["duel"], "Missing argument"),
        (["duel", "fp32@tflite", "--margin", "0%"], "is not in the range"),
        (["duel", "fp32@tflite", "--margin", "2%", "--fail-if-slower", "2%"], "exclude each other"),
        (["duel", "fp32@tflite", "--fail-if-slower", "two"], "is not a percentage"),
        (["duel", "fp32@tflite", "--budget", "inf"], "is not"),
        (["duel", "fp32@tflite", "--python-b", "none"], "does not exist"),
    ],
)
def test_wrong_usage_exits_with_2(crossrt, tmp_path, arguments, message):
    done = crossrt(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_doctor_names_what_it_looked_at(crossrt, tmp_path):
    done = crossrt("doctor")
    assert done.returncode in (0, 1), done.stderr
    for name in ("frequency governor", "stolen time", "clock source", "SMT siblings", "other processes"):
        assert name in done.stdout
