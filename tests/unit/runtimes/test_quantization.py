"""From float32 to a tensor's own integers and back."""

import numpy as np
import pytest

from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.feeds import Quantizer, dequantize

SPECS = [
    TensorSpec(name="pixels", dtype="int8", shape=("n",), scale=1 / 255, zero_point=-128),
    TensorSpec(name="logits", dtype="int8", shape=("n",), scale=0.0244797, zero_point=45),
    TensorSpec(name="unsigned", dtype="uint8", shape=("n",), scale=0.37, zero_point=131),
    TensorSpec(name="symmetric", dtype="int8", shape=("n",), scale=1e-4, zero_point=0),
]
UNIT_STEPS = TensorSpec(name="unit", dtype="int8", shape=("n",), scale=1.0, zero_point=0)

every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def quantize(real, spec):
    return Quantizer(spec, np.shape(real))(np.asarray(real, np.float32)).copy()


def limits(spec):
    return np.iinfo(spec.dtype)


def all_integers(spec):
    return np.arange(limits(spec).min, limits(spec).max + 1).astype(spec.dtype)


def random_reals(spec, outside):
    """Reals that reach beyond the range of the integers by a factor."""
    lowest, highest = dequantize(all_integers(spec)[[0, -1]], spec) * outside
    return np.random.default_rng(0).uniform(lowest, highest, 10_000).astype(np.float32)


@every_spec
def test_zero_is_exact(spec):
    stored = quantize([0.0, -0.0], spec)
    np.testing.assert_array_equal(stored, spec.zero_point)
    np.testing.assert_array_equal(dequantize(stored, spec), 0.0)


def test_halves_go_to_the_even_side():
    stored = quantize([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], UNIT_STEPS)
    np.testing.assert_array_equal(stored, [-2, -2, 0, 0, 2, 2])


@every_spec
def test_what_lies_outside_is_saturated(spec):
    stored = quantize([-np.inf, -1e6, 1e6, np.inf], spec)
    lowest, highest = limits(spec).min, limits(spec).max
    np.testing.assert_array_equal(stored, [lowest, lowest, highest, highest])


@every_spec
def test_the_error_inside_the_range_is_at_most_half_a_step(spec):
    reals = random_reals(spec, outside=1.0)
    error = np.abs(dequantize(quantize(reals, spec), spec) - reals)
    assert error.max() <= spec.scale / 2 * (1 + 1e-4)


@every_spec
def test_order_is_kept(spec):
    stored = quantize(np.sort(random_reals(spec, outside=1.5)), spec).astype(int)
    assert (np.diff(stored) >= 0).all()


@every_spec
def test_it_is_the_affine_formula(spec):
    reals = random_reals(spec, outside=1.5)
    expected = np.clip(
        np.rint(reals.astype(np.float64) / spec.scale) + spec.zero_point, limits(spec).min, limits(spec).max
    )
    stored = quantize(reals, spec)
    assert stored.dtype == spec.dtype
    np.testing.assert_array_equal(stored, expected)


@every_spec
def test_every_integer_survives_the_way_to_float32_and_back(spec):
    stored = all_integers(spec)
    np.testing.assert_array_equal(quantize(dequantize(stored, spec), spec), stored)


def test_pixels_become_their_grey_levels():
    grey = np.arange(256)
    np.testing.assert_array_equal(quantize(grey.astype(np.float32) / 255, SPECS[0]), grey - 128)


def test_any_shape_and_layout_is_taken_and_left_alone():
    reals = np.arange(24, dtype=np.float32).reshape(2, 3, 4).T
    before = reals.copy()
    stored = quantize(reals, UNIT_STEPS)
    np.testing.assert_array_equal(stored, before)
    np.testing.assert_array_equal(reals, before)


def test_the_buffer_is_used_again():
    quantizer = Quantizer(UNIT_STEPS, (2,))
    first = quantizer(np.array([1, 2], np.float32))
    assert quantizer(np.array([3, 4], np.float32)) is first
    np.testing.assert_array_equal(first, [3, 4])


@every_spec
def test_dequantized_is_scale_times_distance_from_the_zero_point(spec):
    stored = all_integers(spec)
    reals = dequantize(stored, spec)
    assert reals.dtype == np.float32
    np.testing.assert_allclose(reals, spec.scale * (stored.astype(np.float64) - spec.zero_point), rtol=1e-6)


def test_dequantizing_gives_memory_of_its_own():
    stored = np.zeros(3, np.int8)
    assert not np.shares_memory(dequantize(stored, UNIT_STEPS), stored)
