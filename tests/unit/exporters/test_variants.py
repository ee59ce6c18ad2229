"""The nine variants and the digits that calibrate them."""

from __future__ import annotations

import numpy as np
import pytest

from exporters import mnist
from exporters.build import item_name
from exporters.variants import CALIBRATION_SAMPLES, VARIANTS, calibration_digits, calibration_sha256

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


def quantizations():
    return {item_name(variant): variant.quantization for variant in VARIANTS}


def test_there_are_exactly_nine_variants():
    assert [item_name(variant) for variant in VARIANTS] == ITEMS


def test_only_float32_is_not_quantized():
    assert [name for name, how in quantizations().items() if how is None] == ["fp32.onnx", "fp32.tflite"]


def test_qdq_and_qoperator_differ_in_representation_alone():
    qdq, qoperator = (quantizations()[f"int8-{name}.onnx"] for name in ("qdq", "qoperator"))
    changed = {field for field in qdq.__slots__ if getattr(qdq, field) != getattr(qoperator, field)}
    assert changed == {"representation"}


def test_static_variants_are_calibrated_by_minmax_and_no_others():
    calibrated = {name for name, how in quantizations().items() if how and how.calibration_method == "minmax"}
    assert calibrated == {"int8-qdq.onnx", "int8-qoperator.onnx", "int8.tflite", "int8-io.tflite"}
    assert calibrated == {name for name, how in quantizations().items() if how and how.scheme == "static"}


def test_only_one_variant_has_integer_inputs():
    assert [name for name, how in quantizations().items() if how and how.io_dtype != "float32"] == ["int8-io.tflite"]


def test_the_record_of_a_static_variant_carries_the_hash_of_its_digits():
    records = {item_name(variant): variant.quantization_record() for variant in VARIANTS}
    assert records["int8.tflite"].calibration_sha256 == calibration_sha256(CALIBRATION_SAMPLES)
    assert records["int8.tflite"].calibration_samples == 1000
    assert records["fp16.tflite"].calibration_sha256 is None
    assert records["fp32.onnx"] is None


def test_calibration_digits_are_inputs_of_the_model():
    digits = calibration_digits(50)
    assert (digits.dtype, digits.shape) == (np.float32, (50, 28, 28, 1))
    assert digits.flags.c_contiguous
    assert (digits.min(), digits.max()) == (0.0, 1.0)


def test_calibration_digits_are_the_same_in_every_run():
    expected = "ee2723d5aecf58400aad2f571a896f3eadc849b69dab6bcfbb079ce3cd8baff4"
    assert calibration_sha256(CALIBRATION_SAMPLES) == expected


def test_fewer_calibration_digits_are_the_first_of_more():
    np.testing.assert_array_equal(calibration_digits(10), calibration_digits(40)[:10])


@pytest.mark.parametrize(("split", "among"), [("train", True), ("test", False)])
def test_calibration_digits_are_training_digits(split, among):
    known = {image.tobytes() for image in mnist.shipped(split).as_input()}
    assert [digit.tobytes() in known for digit in calibration_digits(20)] == [among] * 20


def test_calibration_digits_are_of_all_classes():
    classes = {
        image.tobytes(): label
        for image, label in zip(mnist.shipped("train").as_input(), mnist.shipped("train").labels, strict=True)
    }
    counts = np.bincount([classes[digit.tobytes()] for digit in calibration_digits(CALIBRATION_SAMPLES)])
    assert counts.min() >= 70
