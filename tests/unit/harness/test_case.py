from __future__ import annotations

import pytest

from crossrt.harness.measure.case import Case, Scenario, select


def case(variant="int8-qdq", runtime="ort-cpu", batch_size=1, io="float32"):
    scenario = Scenario(batch_size=batch_size, threads=1, io=io)
    return Case(model="mnist-cnn", variant=variant, format="onnx", runtime=runtime, scenario=scenario)


def test_id_names_model_variant_runtime_batch_and_threads():
    assert case().id == "mnist-cnn.int8-qdq@ort-cpu/b1/t1"


def test_native_io_is_part_of_the_id():
    assert case(io="native").id == "mnist-cnn.int8-qdq@ort-cpu/b1/t1/native"


@pytest.mark.parametrize("pattern", ["qdq", "ort-cpu/b1", "int8-*", "*/b1/*", "int8-qdq@ort-cpu", "*.int8-qdq@*"])
def test_pattern_selects(pattern):
    assert case().matches(pattern)


@pytest.mark.parametrize("pattern", ["fp32", "*/b32/*", "tflite", "int8-qdq@tf*"])
def test_pattern_does_not_select(pattern):
    assert not case().matches(pattern)


def test_any_of_several_patterns_selects():
    cases = [case("fp32"), case("int8-qdq"), case("int8-dynamic")]
    assert [each.variant for each in select(cases, ["fp32", "*-dynamic"])] == ["fp32", "int8-dynamic"]


def test_no_pattern_selects_everything():
    assert len(select([case(), case("fp32")], [])) == 2
