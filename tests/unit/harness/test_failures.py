"""A runtime that misbehaves is a row in the report: the run goes on, nothing is left behind."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.tables.terminal import print_report

pytestmark = pytest.mark.processes

CHAOS = {"runtimes": ("chaos", "ort-cpu"), "only": ("fp32",)}
BRIEFLY = {**CHAOS, "effort_rounds": 1}
"""For what fails before anything is timed."""


def result_of(report, runtime):
    return next(result for result in report.results if result.runtime == runtime)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("load:crash", "loading the model: .*SIGSEGV"),
        ("load:abort", "loading the model: .*SIGABRT"),
        ("load:exit", "loading the model: .*exit status 3"),
        ("load:raise", "loading the model: RuntimeError: this runtime never works"),
        ("load:memory", "loading the model: out of memory"),
        ("load:signal", "loading the model: .*signal 40"),
        ("operators:wrong", "reading the operators: the runtime gave something of the wrong type"),
        ("version:wrong", "the runtime gave something of the wrong type"),
        ("run:crash", "the first inference: .*SIGSEGV"),
        ("run:raise", "the first inference: RuntimeError"),
        ("run:nan", "answering the data set: the output logits holds nothing but NaN"),
    ],
)
def test_failing_runtime_is_a_failed_row_and_the_others_go_on(bench, chaos, fault, reason):
    chaos(fault)
    report = bench(**BRIEFLY)
    assert result_of(report, "chaos").status == "failed"
    assert re.search(reason, result_of(report, "chaos").reason)
    assert result_of(report, "ort-cpu").status == "ok"


@pytest.mark.parametrize(
    "fault", ["load:crash", "fourth-load:crash"], ids=["while it was checked", "while it was timed"]
)
def test_a_default_baseline_that_was_not_measured_gives_way(bench, chaos, fault):
    chaos(fault)
    report = bench(**CHAOS)
    assert [(each.runtime, each.status) for each in report.results] == [("chaos", "failed"), ("ort-cpu", "ok")]
    assert report.run.settings.baseline == "conv.fp32@ort-cpu"
    assert [each.value for each in report.metrics if each.name == "speedup_p50"] == [1.0]


def test_hanging_runtime_is_killed_at_its_deadline(bench, chaos):
    chaos("run:hang")
    for limit_s in (3, 15, 75):  # which a runtime that does not hang may exceed as well on a busy machine
        report = bench(**BRIEFLY, timeout_s=float(limit_s))
        if result_of(report, "ort-cpu").status == "ok":
            break
    assert re.search(f"the first inference: no answer within {limit_s} s", result_of(report, "chaos").reason)
    assert result_of(report, "ort-cpu").status == "ok"


def test_crash_leaves_its_last_words_in_the_report(bench, chaos):
    chaos("run:crash")
    tail = result_of(bench(**BRIEFLY), "chaos").stderr_tail
    assert "about to crash" in tail
    assert "Segmentation fault" in tail


def test_case_that_fails_while_it_is_measured_keeps_its_finished_rounds(bench, chaos):
    chaos("fourth-load:crash")
    result = result_of(bench(**CHAOS, baseline="fp32@ort-cpu"), "chaos")
    assert result.status == "failed"
    assert len(result.rounds) == 1


def test_runtime_that_fails_to_import_is_a_failed_row_with_its_own_error(bench, chaos):
    chaos("import:raise")
    result = result_of(bench(**BRIEFLY), "chaos")
    assert result.status == "failed"
    assert "this runtime never works" in result.reason


def test_output_of_native_code_does_not_disturb_the_protocol(bench, chaos):
    chaos("run:print")
    assert result_of(bench(**BRIEFLY), "chaos").status == "ok"


def test_text_that_is_no_unicode_does_not_cost_the_report(bench, chaos, tmp_path):
    chaos("version:markup")
    report = bench(**BRIEFLY)
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").environment.packages["runtime chaos"] == "[/x]\x1b[31m?"
    text = io.StringIO()
    print_report(report, Console(file=text, width=80))
    assert "[/x]" in text.getvalue()
    assert "\x1b" not in text.getvalue()


def test_no_process_survives_a_crash(bench, chaos):
    chaos("load:grandchild")
    tail = result_of(bench(**BRIEFLY), "chaos").stderr_tail
    assert not is_running(int(re.search(r"grandchild (\d+)", tail)[1]))


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" and pid != os.getpid()


def test_damaged_model_file_is_a_failed_row_that_says_so(bench, folder):
    victim = next(path for path in folder.glob("*.onnx"))
    victim.write_bytes(victim.read_bytes()[:100])
    report = bench(effort_rounds=1)
    failed = [result for result in report.results if result.status == "failed"]
    assert failed
    assert all("100 bytes" in result.reason for result in failed)
