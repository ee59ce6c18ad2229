"""Runtimes with values for their options, side by side, from the command line and in reports."""

from __future__ import annotations

import json

import pytest

from crossrt.core.errors import CrossrtError
from crossrt.harness.process.probe import RuntimeInfo, probe_runtimes
from crossrt.reports.schema.files import read_report, write_report

pytestmark = pytest.mark.processes
UNFUSED = "ort-cpu:graph_optimization_level=disable"


def test_one_runtime_runs_with_several_options_and_one_that_is_not_there_is_skipped(bench, tmp_path):
    report = bench(runtimes=("ort-cpu", UNFUSED, "ort-xnnpack"), only=("fp32",), effort_rounds=1)
    assert [(each.case, each.runtime, each.runtime_options, each.status) for each in report.results[:2]] == [
        ("conv.fp32@ort-cpu/b1/t1", "ort-cpu", {}, "ok"),
        (f"conv.fp32@{UNFUSED}/b1/t1", UNFUSED, {"graph_optimization_level": "disable"}, "ok"),
    ]
    fused, unfused = (len(each.operators) for each in report.results[:2])
    assert fused < unfused
    assert [name for name in report.environment.packages if name.startswith("runtime ")] == ["runtime ort-cpu"]
    assert report.results[2].status == "skipped"
    assert "is built without XnnpackExecutionProvider" in report.results[2].reason
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_two_spellings_of_the_same_options_are_one_runtime():
    texts = ("ort-cpu:x64quantprecision=1,arena=off", "ort-cpu:arena=off,session.x64quantprecision=1")
    (found,) = probe_runtimes(texts)
    assert found.name == "ort-cpu:arena=off,x64quantprecision=1"
    assert set(texts) <= set(found.spellings)
    assert found.options == {"arena": "off", "x64quantprecision": "1"}
    assert "graph_optimization_level" in {each.name for each in found.declared}


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ("ort-cpu:arenas=on", "ort-cpu has no option 'arenas' (did you mean 'arena'?)"),
        ("ort-cpu:arena=yes", "ort-cpu: arena must be one of on, off; found 'yes'"),
        ("ort-cpu:session.no_such_key=1", "does not know 'session.no_such_key' and would ignore it"),
        ("tflite:kernels=reference,delegate=xnnpack", "kernels=reference runs without a delegate"),
        ("tflite:delegate", "'delegate' is not an option: write OPTION=VALUE"),
        ("onyx:a=1", "there is no runtime 'onyx'"),
    ],
)
def test_what_cannot_be_set_is_one_error(crossrt, folder, data, runtime, message):
    done = crossrt("bench", "--artifacts", folder, "--data", data, "--runtime", runtime)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_runtime_that_is_only_asked_for_answers_is_not_timed(bench, crossrt, remarks, tmp_path):
    report = bench(runtimes=("onnx-reference", "ort-cpu"), only=("fp32",), effort_rounds=1, display=remarks)
    reference, other = report.results
    assert (reference.status, reference.rounds, other.status) == ("skipped", (), "ok")
    assert (
        reference.reason == "answers only: not timed by default (crossrt runtimes onnx-reference shows how to time it)"
    )
    assert reference.evaluation is not None
    assert report.run.settings.baseline == "conv.fp32@ort-cpu"
    assert "  conv.fp32@onnx-reference/b1/t1: answers checked, not timed" in remarks.texts
    write_report(report, tmp_path / "r.json")
    shown = crossrt("show", "r.json").stdout
    rows = [line.split() for line in shown.splitlines() if line.startswith("fp32@onnx-reference")]
    assert rows[0][1] != "-", "its answers are in the table of accuracy"
    assert "not timed" in " ".join(rows[1])


def test_it_is_timed_where_its_option_says_so(bench):
    (found,) = bench(runtimes=("onnx-reference:timed=yes",), only=("fp32",), effort_rounds=1).results
    assert (found.status, len(found.rounds)) == ("ok", 1)


def test_answers_that_would_take_too_long_are_not_waited_for(bench):
    (found,) = bench(runtimes=("onnx-reference",), only=("fp32",), effort_rounds=1, time_s=0.001).results
    assert found.status == "skipped"
    assert "answering 64 samples would take about" in found.reason
    assert "give --samples" in found.reason


def test_sides_of_a_comparison_may_have_options(duel):
    found = duel("fp32@ort-cpu", UNFUSED.replace("ort-cpu", "fp32@ort-cpu"))
    assert [each.result.runtime for each in (found.a, found.b)] == ["ort-cpu", UNFUSED]
    assert found.b.result.runtime_options == {"graph_optimization_level": "disable"}


def test_the_command_lists_the_options_of_a_runtime(crossrt):
    (table,) = json.loads(crossrt("runtimes", "tflite", "--json").stdout)["tables"]
    assert ["delegate", "xnnpack"] in [row[:2] for row in table["rows"]]
    assert "such as --runtime tflite:delegate=none" in crossrt("runtimes", "tflite").stdout
    assert crossrt("runtimes", "onyx").returncode == 2


def test_what_is_set_stands_in_place_of_the_default(crossrt):
    shown = crossrt("runtimes", "tflite:delegate=none").stdout
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("delegate ")]
    assert row[1] == "none"
    assert "set to" in shown


def test_the_selector_of_a_runtime_is_read_from_its_name():
    found = RuntimeInfo(name="ort-cpu==1.29.0:arena=off", version="1.29.0", formats=("onnx",))
    assert (found.selector.name, found.selector.base) == ("ort-cpu", "ort-cpu==1.29.0")


def test_a_name_that_is_no_selector_is_an_error_of_ours():
    with pytest.raises(CrossrtError, match="names no option"):
        probe_runtimes(["ort-cpu:"])
