from __future__ import annotations

from pathlib import Path

import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.plan import Candidate, choose_baseline, plan_cases
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.probe import RuntimeInfo

RUNTIMES = [
    RuntimeInfo(name="ort-cpu", version="1", formats=("onnx",)),
    RuntimeInfo(name="tflite", version="1", formats=("tflite",)),
]
CANDIDATES = [
    Candidate(model="net", variant="fp32", format="onnx"),
    Candidate(model="net", variant="int8-qdq", format="onnx"),
    Candidate(model="net", variant="fp32", format="tflite"),
]


def plan(**changes):
    return plan_cases(CANDIDATES, RUNTIMES, BenchSettings(model_path=Path("net.keras"), **changes))


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
    with pytest.raises(HarnessError, match="selects no case; there are: fp32@ort-cpu, int8-qdq@ort-cpu, fp32@tflite"):
        plan(only=("fp64",))


def test_first_float_case_is_the_baseline():
    assert choose_baseline(plan(), None) == "net.fp32@ort-cpu"


def test_first_case_is_the_baseline_where_there_is_no_float():
    assert choose_baseline(plan(only=("int8",)), None) == "net.int8-qdq@ort-cpu"


@pytest.mark.parametrize("wanted", ["fp32@tflite", "net.fp32@tflite", "net.fp32@tflite/b1/t1"])
def test_baseline_is_named_with_or_without_model_and_scenario(wanted):
    assert choose_baseline(plan(), wanted) == "net.fp32@tflite"


def test_unknown_baseline_is_refused():
    with pytest.raises(HarnessError, match="not among the cases"):
        choose_baseline(plan(), "fp16@tflite")
