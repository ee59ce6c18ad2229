from __future__ import annotations

from dataclasses import replace

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.plan import Candidate, check_patterns, choose_baseline, plan_cases
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.probe import RuntimeInfo

RUNTIMES = [
    RuntimeInfo(name="ort-cpu", version="1", formats=("onnx",)),
    RuntimeInfo(name="tflite", version="1", formats=("tflite",)),
]
CANDIDATES = [
    Candidate(model="net", variant="fp32", format="onnx", role="float"),
    Candidate(model="net", variant="int8-qdq", format="onnx", role="quantized"),
    Candidate(model="net", variant="fp32", format="tflite", role="float"),
]


def plan(candidates=CANDIDATES, runtimes=RUNTIMES, **changes):
    return plan_cases(candidates, runtimes, BenchSettings(**{"batch_sizes": (1,), **changes}))


def test_every_artifact_meets_the_runtimes_that_read_it_at_every_batch_size():
    assert [case.id for case in plan(batch_sizes=(1, 8), threads=2)] == [
        "net.fp32@ort-cpu/b1/t2",
        "net.int8-qdq@ort-cpu/b1/t2",
        "net.fp32@tflite/b1/t2",
        "net.fp32@ort-cpu/b8/t2",
        "net.int8-qdq@ort-cpu/b8/t2",
        "net.fp32@tflite/b8/t2",
    ]


def test_patterns_that_select_nothing_list_what_there_is():
    with pytest.raises(HarnessError, match="selects no case; available: fp32@ort-cpu, int8-qdq@ort-cpu, fp32@tflite"):
        plan(only=("fp64",))


def test_a_pattern_that_selects_nothing_beside_others_is_named():
    settings = BenchSettings(batch_sizes=(1,), only=("int8*", "nosuch", "net.fp32@*"))
    with pytest.raises(HarnessError, match=r"^--only nosuch selects no case; available: fp32@ort-cpu, int8"):
        check_patterns(CANDIDATES, RUNTIMES, settings)


def test_a_pattern_is_no_mistake_where_it_fits_or_means_what_is_left_out_or_is_of_the_configuration():
    left_out = [Candidate(model="net", variant="int8-io", format="tflite", role="quantized")]
    settings = BenchSettings(batch_sizes=(1,), only=("fp32", "int8-io"))
    check_patterns(CANDIDATES, RUNTIMES, settings, left_out)
    check_patterns(CANDIDATES, RUNTIMES, replace(settings, only=("fp32", "nosuch"), needs_only=False))
    check_patterns(CANDIDATES, RUNTIMES, replace(settings, only=("*@tflite", "net.int8-qdq@ort-cpu/b1/t1")))


def test_patterns_that_need_not_select_anything_are_ignored_where_they_do_not():
    assert plan(only=("fp64",), needs_only=False) == plan()
    assert plan(only=("fp32",), needs_only=False) == plan(only=("fp32",))


def test_first_float_case_is_the_baseline():
    assert choose_baseline(plan(), CANDIDATES, None) == "net.fp32@ort-cpu"


def test_first_case_is_the_baseline_where_there_is_no_float():
    assert choose_baseline(plan(only=("int8",)), CANDIDATES, None) == "net.int8-qdq@ort-cpu"


@pytest.mark.parametrize("asked", ["fp32@tflite", "net.fp32@tflite", "net.fp32@tflite/b1/t1"])
def test_baseline_is_named_with_or_without_model_and_scenario(asked):
    assert choose_baseline(plan(), CANDIDATES, asked) == "net.fp32@tflite"


def test_unknown_baseline_is_refused():
    with pytest.raises(HarnessError, match="not among the cases"):
        choose_baseline(plan(), CANDIDATES, "fp16@tflite")


BOTH = [RuntimeInfo(name="both", version="1", formats=("onnx", "tflite"))]


def test_a_runtime_that_reads_a_variant_in_two_formats_has_a_case_for_each():
    cases = plan(runtimes=[*RUNTIMES, *BOTH])
    assert [case.id for case in cases] == [
        "net.fp32@ort-cpu/b1/t1",
        "net.int8-qdq@ort-cpu/b1/t1",
        "net.fp32@tflite/b1/t1",
        "net.fp32.onnx@both/b1/t1",
        "net.int8-qdq@both/b1/t1",
        "net.fp32.tflite@both/b1/t1",
    ]
    assert len({case.subject for case in cases}) == len(cases)
    assert [case.artifact_id for case in cases[3:]] == ["net.fp32.onnx", "net.int8-qdq.onnx", "net.fp32.tflite"]


@pytest.mark.parametrize(
    ("asked", "subject"),
    [("fp32.tflite@both", "net.fp32.tflite@both"), ("net.fp32.onnx@both/b1/t1", "net.fp32.onnx@both")],
)
def test_baseline_of_such_a_runtime_is_named_with_its_format(asked, subject):
    assert choose_baseline(plan(runtimes=BOTH), CANDIDATES, asked) == subject


def test_the_role_of_a_file_makes_it_the_baseline_not_its_name():
    candidates = [
        Candidate(model="net", variant="fp32", format="onnx", role="quantized"),
        Candidate(model="net", variant="int8", format="onnx", role="float"),
    ]
    assert choose_baseline(plan(candidates), candidates, None) == "net.int8@ort-cpu"


def test_files_that_no_runtime_reads_are_named_by_their_formats():
    with pytest.raises(HarnessError, match=r"reads tflite \(ort-cpu reads onnx\): crossrt runtimes lists all"):
        plan(CANDIDATES[2:], RUNTIMES[:1])
