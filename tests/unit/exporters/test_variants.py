"""The variants of the main job, and the samples that calibrate them."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.exporters.calibration import Selection, calls_of, samples_in_a_call
from crossrt.exporters.errors import ExportError
from crossrt.exporters.variants import main_variants

ITEMS = [
    "fp32.onnx",
    "int8-qdq.onnx",
    "int8-qoperator.onnx",
    "int8-dynamic.onnx",
    "fp32.tflite",
    "fp16.tflite",
    "int8-dynamic.tflite",
    "int8.tflite",
    "int8-io.tflite",
]


def records(calibration=None):
    return {variant.item: variant.quantization_record(calibration) for variant in main_variants()}


def spec(*shape, name="x", dtype="float32"):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def calls(indices, *inputs, most=100):
    return [list(call) for call in calls_of(indices, batching_of(inputs), inputs, most)]


def test_there_are_exactly_nine_variants():
    assert [variant.item for variant in main_variants()] == ITEMS


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_variants_of_one_format_can_be_chosen(name):
    assert [variant.item for variant in main_variants((name,))] == [item for item in ITEMS if item.endswith(name)]


def test_only_float_variants_are_not_quantized():
    assert [name for name, how in records().items() if how is None] == ["fp32.onnx", "fp32.tflite"]


def test_qdq_and_qoperator_differ_in_representation_alone():
    qdq, qoperator = (records()[f"int8-{name}.onnx"] for name in ("qdq", "qoperator"))
    changed = {field for field in qdq.__slots__ if getattr(qdq, field) != getattr(qoperator, field)}
    assert changed == {"representation", "recipe"}


def test_static_variants_are_calibrated_by_minmax_and_no_others():
    calibrated = {name for name, how in records().items() if how and how.calibration_method == "minmax"}
    assert calibrated == {"int8-qdq.onnx", "int8-qoperator.onnx", "int8.tflite", "int8-io.tflite"}
    assert calibrated == {name for name, how in records().items() if how and how.scheme == "static"}


def test_only_one_variant_has_integer_inputs():
    assert [name for name, how in records().items() if how and how.io_dtype != "float32"] == ["int8-io.tflite"]


def test_the_record_of_a_static_variant_says_how_many_samples_there_were(make_calibration, images):
    calibration = make_calibration(images(40))
    found = records(calibration)
    assert found["int8.tflite"].calibration_samples == 40
    assert found["int8.tflite"].calibration_sha256 == calibration.sha256(Selection(1_000, 0))
    assert found["fp16.tflite"].calibration_sha256 is None
    assert found["fp32.onnx"] is None


def test_samples_are_the_same_in_every_run():
    assert Selection(5, 0).indices(10_000) == [3577, 8925, 1634, 485, 4753]


def test_another_seed_draws_other_samples():
    assert Selection(10, 0).indices(1_000) != Selection(10, 1).indices(1_000)


def test_fewer_samples_are_the_first_of_more():
    assert Selection(10, 0).indices(1_000) == Selection(40, 0).indices(1_000)[:10]


def test_all_samples_are_taken_where_there_are_fewer():
    assert sorted(Selection(1_000, 0).indices(7)) == list(range(7))


def test_the_fingerprint_changes_with_the_data_and_the_selection(make_calibration, images):
    one, other = make_calibration(images(40)), make_calibration(images(40, seed=1))
    found = {each.sha256(which) for each in (one, other) for which in (Selection(10, 0), Selection(10, 1))}
    assert len(found) == 4


def test_calibration_needs_a_sample(make_calibration, images):
    with pytest.raises(ExportError, match="hold no samples: at least 1 is needed"):
        make_calibration(images(0))


def test_feeds_hold_the_chosen_samples_in_order(make_calibration, images):
    samples = images(250)
    fed = np.concatenate([feed["image"] for feed in make_calibration(samples).feeds(Selection(200, 3))])
    np.testing.assert_array_equal(fed, samples[Selection(200, 3).indices(250)])


def test_a_dynamic_batch_is_fed_many_samples_a_call():
    assert [len(call) for call in calls(range(250), spec("batch", 8))] == [125, 125]
    assert [len(call) for call in calls(range(3), spec("batch", 8), most=1)] == [1, 1, 1]


def test_a_fixed_batch_is_filled_up_with_the_first_samples_again():
    assert calls([7, 8, 9], spec(2, 8)) == [[7, 8], [9, 7]]
    assert calls([7], spec(4, 8)) == [[7, 7, 7, 7]]


def test_a_model_without_a_batch_is_fed_one_sample_a_call():
    assert calls([1, 2], spec(8)) == [[1], [2]]


def test_large_samples_come_in_small_calls():
    assert samples_in_a_call([spec("batch", 224, 224, 3)], 100, 4 * 2**20) == 6
    assert samples_in_a_call([spec("batch", 4096, 4096)], 100, 4 * 2**20) == 1
    assert samples_in_a_call([spec("batch", 8, dtype="str")], 100, 4 * 2**20) == 100
