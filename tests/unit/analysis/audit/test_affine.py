"""The affine scheme: its laws, and the operators of ONNX's own reference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from crossrt.analysis.audit.affine import (
    TYPES,
    Affine,
    affine_from_range,
    affine_of_tflite,
    bias_affine,
    dequantize,
    integer_range,
    matmul,
    quantize,
    quantize_bias,
)

settings.register_profile("crossrt", settings.default, max_examples=25, derandomize=True, database=None)
settings.load_profile("crossrt")

REALS = st.floats(-1e6, 1e6, width=32)
RANGES = st.tuples(REALS, REALS).map(sorted).filter(lambda ends: ends[1] - ends[0] > 1e-3)
SCHEMES = [
    pytest.param(dtype, is_symmetric, is_reduced, id=f"{dtype}{'-symmetric' * is_symmetric}{'-reduced' * is_reduced}")
    for dtype in ("int8", "uint8", "int16", "uint16", "int4", "uint4")
    for is_symmetric in (False, True)
    for is_reduced in (False, True)
    if not (is_reduced and dtype not in ("int8", "uint8"))
]


def f32(*values):
    return np.array(values, dtype=np.float32)


def scheme(ends, dtype, is_symmetric, is_reduced):
    integers = integer_range(dtype, is_symmetric=is_symmetric, is_reduced=is_reduced)
    low, high = f32(ends[0])[0], f32(ends[1])[0]
    return affine_from_range(low, high, integers, is_symmetric=is_symmetric), integers


def span(affine, integers):
    """The least and the greatest value that have an integer."""
    return dequantize(np.array(integers), affine)


@pytest.mark.parametrize(("dtype", "is_symmetric", "is_reduced"), SCHEMES)
@given(ends=RANGES)
def test_zero_is_exact(ends, dtype, is_symmetric, is_reduced):
    affine, integers = scheme(ends, dtype, is_symmetric, is_reduced)
    zero = quantize(f32(0.0), affine, integers)
    assert zero == affine.zero_point
    assert integers[0] <= zero <= integers[1]
    assert dequantize(zero, affine) == 0


@pytest.mark.parametrize(("dtype", "is_symmetric", "is_reduced"), SCHEMES)
@given(ends=RANGES, share=st.floats(0, 1))
def test_the_error_inside_the_range_is_at_most_half_a_step(ends, share, dtype, is_symmetric, is_reduced):
    affine, integers = scheme(ends, dtype, is_symmetric, is_reduced)
    low, high = span(affine, integers)
    value = np.clip(f32(low + share * (high - low)), low, high)
    error = np.abs(dequantize(quantize(value, affine, integers), affine).astype(np.float64) - value)
    rounding = 4 * np.finfo(np.float32).eps * max(abs(low), abs(high))
    assert error <= affine.scale / 2 + rounding


@pytest.mark.parametrize(("dtype", "is_symmetric", "is_reduced"), SCHEMES)
@given(ends=RANGES, values=arrays(np.float32, 20, elements=REALS))
def test_order_is_kept(ends, values, dtype, is_symmetric, is_reduced):
    affine, integers = scheme(ends, dtype, is_symmetric, is_reduced)
    assert (np.diff(quantize(np.sort(values), affine, integers)) >= 0).all()


@pytest.mark.parametrize(("dtype", "is_symmetric", "is_reduced"), SCHEMES)
@given(ends=RANGES)
def test_what_lies_outside_saturates(ends, dtype, is_symmetric, is_reduced):
    affine, integers = scheme(ends, dtype, is_symmetric, is_reduced)
    low, high = span(affine, integers)
    far = f32(low - 10 * abs(low) - 1, high + 10 * abs(high) + 1)
    assert quantize(far, affine, integers).tolist() == list(integers)


@given(ends=RANGES)
def test_both_ends_of_the_range_have_integers(ends):
    affine, integers = scheme(ends, "uint8", False, False)
    low, high = span(affine, integers)
    assert low <= min(ends[0], 0) + affine.scale / 2 * 1.001
    assert high >= max(ends[1], 0) - affine.scale / 2 * 1.001


def test_a_range_of_nothing_has_scale_1():
    affine = affine_from_range(f32(0.0, -1.0), f32(0.0, 1.0), (0, 255), is_symmetric=False)
    assert affine.scale.tolist() == [1.0, pytest.approx(2 / 255)]
    assert affine.zero_point.tolist() == [0, 128]


def test_ranges_of_the_types():
    assert integer_range("int8", is_symmetric=True) == (-127, 127)
    assert integer_range("uint8", is_symmetric=True) == (0, 255)
    assert integer_range("int4", is_symmetric=True) == (-8, 7)
    assert integer_range("int8", is_reduced=True) == (-64, 64)
    assert integer_range("uint8", is_reduced=True) == (0, 127)


def test_channels_have_scales_of_their_own():
    values = f32(1, 2, 10, 20).reshape(2, 2)
    affine = affine_from_range(values.min(axis=1), values.max(axis=1), (-127, 127), is_symmetric=True)
    assert quantize(values, affine, (-127, 127), axis=0).tolist() == [[64, 127], [64, 127]]
    np.testing.assert_allclose(dequantize(np.array([[127], [127]]), affine, axis=0), [[2], [20]], rtol=1e-6)


def test_a_bias_has_the_scale_of_the_products():
    affine = bias_affine(Affine(f32(0.5)[0], np.array(3)), Affine(f32(0.25, 2.0), np.array([0, 0])))
    assert affine.scale.tolist() == [0.125, 1.0]
    assert quantize_bias(f32(1.0, -2.5), affine).tolist() == [8, -2]
    assert quantize_bias(f32(1e12, -1e12), affine).tolist() == [2**31 - 1, -(2**31)]


def evaluate(node, inputs):
    """One node by ONNX's reference."""
    names = dict(zip(node.input, inputs, strict=True))
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in names.items()
    ]
    graph = helper.make_graph([node], "one", infos, [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)])
    return ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])).run(None, names)[0]


PER_CHANNEL = st.booleans()
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@given(seed=SEEDS, is_per_channel=PER_CHANNEL)
def test_quantize_and_dequantize_are_those_of_onnx_bit_for_bit(seed, is_per_channel, dtype):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, rng.choice([0.1, 1, 100]), (3, 4)).astype(np.float32)
    low, high = (values.min(axis=1), values.max(axis=1)) if is_per_channel else (values.min(), values.max())
    affine = affine_from_range(low * f32(0.8)[0], high * f32(0.8)[0], TYPES[dtype], is_symmetric=False)
    axis = 0 if is_per_channel else None
    zero_point = affine.zero_point.astype(dtype)
    attributes = {"axis": 0} if is_per_channel else {}
    node = onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], **attributes)
    wanted = evaluate(node, [values, affine.scale, zero_point])
    found = quantize(values, affine, TYPES[dtype], axis)
    np.testing.assert_array_equal(found, wanted.astype(np.int64))
    node = onnx.helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], **attributes)
    wanted = evaluate(node, [found.astype(dtype), affine.scale, zero_point])
    assert dequantize(found, affine, axis).tobytes() == wanted.tobytes()


@pytest.mark.parametrize(("left", "right"), [("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")])
@given(seed=SEEDS)
def test_matmul_is_that_of_onnx_bit_for_bit(seed, left, right):
    rng = np.random.default_rng(seed)
    a = rng.integers(*TYPES[left], (2, 5), endpoint=True).astype(left)
    b = rng.integers(*TYPES[right], (5, 3), endpoint=True).astype(right)
    of_a, of_b, out = (
        Affine(f32(scale)[0], np.array(rng.integers(*TYPES[dtype], endpoint=True)))
        for scale, dtype in ((0.02, left), (0.01, right), (rng.choice([0.1, 1.0]), left))
    )
    node = onnx.helper.make_node("QLinearMatMul", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"])
    parameters = [
        (array, affine.scale, affine.zero_point.astype(dtype))
        for array, affine, dtype in ((a, of_a, left), (b, of_b, right))
    ]
    wanted = evaluate(node, [*parameters[0], *parameters[1], out.scale, out.zero_point.astype(left)])
    np.testing.assert_array_equal(matmul(a, b, of_a, of_b, out, TYPES[left]), wanted.astype(np.int64))


def test_the_tflite_converter_computes_in_float32():
    """A range of a file that the converter wrote: in float64 it ends one float32 away."""
    low, high = f32(-0.19201736)[0], f32(1.6466414)[0]
    found = affine_of_tflite(low, high, (-128, 127), is_symmetric=False)
    assert found.scale == np.float32(0.007210426032543182)
    assert found.scale != affine_from_range(low, high, (-128, 127), is_symmetric=False).scale
    assert found.zero_point == -101


@given(ends=RANGES)
def test_both_arithmetics_agree_but_for_the_last_bits(ends):
    low, high = f32(ends[0])[0], f32(ends[1])[0]
    exact = affine_from_range(low, high, (-128, 127), is_symmetric=False)
    found = affine_of_tflite(low, high, (-128, 127), is_symmetric=False)
    np.testing.assert_allclose(found.scale, exact.scale, rtol=3e-7)
    assert abs(found.zero_point - exact.zero_point) <= 1


@pytest.mark.parametrize(
    ("low", "high", "is_constant", "is_symmetric", "scale", "zero_point"),
    [
        (0, 0, False, False, 2e-6 / 255, 0),
        (0, 1e-9, False, False, 2.001e-6 / 255, -1),
        (0, 1e-7, True, False, 1e-6 / 255, 0),
        (-1e-9, 1e-9, True, True, 1e-6 / 254, 0),
    ],
)
def test_the_tflite_converter_widens_narrow_ranges(low, high, is_constant, is_symmetric, scale, zero_point):
    integers = (-127, 127) if is_symmetric else (-128, 127)
    found = affine_of_tflite(f32(low)[0], f32(high)[0], integers, is_symmetric=is_symmetric, is_constant=is_constant)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-6)
    assert found.zero_point == zero_point
