"""The words in which feeds are refused, and conversions between float32 and a file's own floats and integers."""

import numpy as np
import pytest

from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.feeds import input_conversion, output_conversion, refusal

LEFT = TensorSpec(name="left", dtype="float32", shape=(2, 3))
RIGHT = TensorSpec(name="right", dtype="int8", shape=(2,))


def fitting():
    return {"left": np.zeros((2, 3), np.float32), "right": np.zeros(2, np.int8)}


def message(**feeds):
    return str(refusal(fitting() | feeds, (LEFT, RIGHT)))


def test_fitting_feeds_are_not_refused():
    assert refusal(fitting(), (LEFT, RIGHT)) is None


def test_a_missing_feed_is_named():
    assert str(refusal({}, (LEFT,))) == "the inputs are named left; the feeds are named nothing"


def test_an_extra_feed_is_named():
    assert message(more=np.zeros(1)) == "the inputs are named left, right; the feeds are named left, more, right"


def test_a_wrong_dtype_is_named():
    assert message(right=np.zeros(2, np.int32)) == "input right takes int8 (2,); found int32 (2,)"


def test_a_wrong_shape_is_named():
    assert message(left=np.zeros((3, 2), np.float32)) == "input left takes float32 (2, 3); found float32 (3, 2)"


def test_the_other_byte_order_is_another_dtype():
    assert message(left=np.zeros((2, 3), ">f4")) == "input left takes float32 (2, 3); found >f4 (2, 3)"


@pytest.mark.parametrize(("feed", "kind"), [([0, 0], "list"), (None, "NoneType"), (np.float32(0), "float32")])
def test_what_is_not_an_array_is_named(feed, kind):
    assert message(right=feed) == f"input right must be a numpy array; found {kind}"


WORDS = TensorSpec(name="words", dtype="str", shape=(2,))


@pytest.mark.parametrize("feed", [np.array(["a", "long word"]), np.array(["", ""])])
def test_text_of_any_length_fits(feed):
    assert refusal({"words": feed}, (WORDS,)) is None


@pytest.mark.parametrize("feed", [np.array(["a", "b"], object), np.zeros(2), np.array([b"a", b"b"])])
def test_what_is_not_text_is_named(feed):
    assert str(refusal({"words": feed}, (WORDS,))) == f"input words takes str (2,); found {feed.dtype} (2,)"


def tensor(dtype, **quantization):
    return TensorSpec(name="t", dtype=dtype, shape=(3,), **quantization)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "uint8"])
def test_what_is_shown_as_it_is_needs_no_conversion(dtype):
    assert input_conversion(tensor(dtype), tensor(dtype)) is None
    assert output_conversion(tensor(dtype), tensor(dtype)) is None


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_are_converted_both_ways(dtype):
    own, shown, real = tensor(dtype), tensor("float32"), np.array([-1.5, 0, 3], np.float32)
    fed = input_conversion(own, shown)(real)
    assert fed.dtype == dtype
    np.testing.assert_array_equal(fed, real)
    given = output_conversion(own, shown)(fed)
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, real)
    assert not np.shares_memory(given, fed)


def test_quantized_integers_are_converted_both_ways():
    own, shown, real = tensor("int8", scale=0.5, zero_point=-3), tensor("float32"), np.array([-1.5, 0, 3], np.float32)
    fed = input_conversion(own, shown)(real)
    np.testing.assert_array_equal(fed, np.array([-6, -3, 3], np.int8))
    np.testing.assert_array_equal(output_conversion(own, shown)(fed), real)


def test_text_comes_back_as_text():
    found = output_conversion(WORDS, WORDS)(np.array(["a", "long word"], object))
    assert found.dtype.kind == "U"
    assert found.tolist() == ["a", "long word"]
