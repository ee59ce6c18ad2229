"""The variants of the main job, and the digits that calibrate them."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.datasets.mnist import digits as mnist
from crossrt.exporters.calibration import Calibration, calibration_digits, digits_sha256
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


def records():
    return {variant.item: variant.quantization_record() for variant in main_variants()}


def first(samples, split="train"):
    return calibration_digits(Calibration(samples, 0, split))


def test_there_are_exactly_nine_variants():
    assert [variant.item for variant in main_variants()] == ITEMS


def test_only_float32_is_not_quantized():
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


def test_the_record_of_a_static_variant_carries_the_hash_of_its_digits():
    found = records()
    assert found["int8.tflite"].calibration_sha256 == digits_sha256(Calibration(1_000, 0, "train"))
    assert found["int8.tflite"].calibration_samples == 1000
    assert found["fp16.tflite"].calibration_sha256 is None
    assert found["fp32.onnx"] is None


def test_calibration_digits_are_inputs_of_the_model():
    digits = first(50)
    assert (digits.dtype, digits.shape) == (np.float32, (50, 28, 28, 1))
    assert digits.flags.c_contiguous
    assert (digits.min(), digits.max()) == (0.0, 1.0)


def test_calibration_digits_are_the_same_in_every_run():
    expected = "ee2723d5aecf58400aad2f571a896f3eadc849b69dab6bcfbb079ce3cd8baff4"
    assert digits_sha256(Calibration(1_000, 0, "train")) == expected


def test_another_seed_draws_other_digits():
    assert not np.array_equal(first(10), calibration_digits(Calibration(10, 1, "train")))


def test_fewer_calibration_digits_are_the_first_of_more():
    np.testing.assert_array_equal(first(10), first(40)[:10])


@pytest.mark.parametrize("split", ["train", "test"])
def test_calibration_digits_come_from_their_split_alone(split):
    other = {"train": "test", "test": "train"}[split]
    known = {name: {image.tobytes() for image in mnist.shipped(name).as_input()} for name in (split, other)}
    digits = [digit.tobytes() for digit in first(20, split)]
    assert all(digit in known[split] and digit not in known[other] for digit in digits)


def test_calibration_digits_are_of_all_classes():
    classes = {
        image.tobytes(): label
        for image, label in zip(mnist.shipped("train").as_input(), mnist.shipped("train").labels, strict=True)
    }
    counts = np.bincount([classes[digit.tobytes()] for digit in first(1_000)])
    assert counts.min() >= 70
