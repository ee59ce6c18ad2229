"""Specs as a session shows them, and the words in which feeds are refused."""

import numpy as np
import pytest

from crossrt.core.artifact import TensorSpec
from crossrt.runtimes.feeds import at_batch_size, refusal

FLOAT = TensorSpec(name="image", dtype="float32", shape=(None, 28, 28, 1))
INT8 = TensorSpec(name="image", dtype="int8", shape=(None, 28, 28, 1), scale=0.1, zero_point=3)
TOKENS = TensorSpec(name="tokens", dtype="int64", shape=(None, 9))
LEFT = TensorSpec(name="left", dtype="float32", shape=(2, 3))
RIGHT = TensorSpec(name="right", dtype="int8", shape=(2,))


def fitting():
    return {"left": np.zeros((2, 3), np.float32), "right": np.zeros(2, np.int8)}


def message(**feeds):
    return str(refusal(fitting() | feeds, (LEFT, RIGHT)))


@pytest.mark.parametrize("io", ["float32", "native"])
def test_the_batch_size_takes_the_place_of_the_first_dimension(io):
    assert at_batch_size([FLOAT], 7, io)[0].shape == (7, 28, 28, 1)


def test_native_specs_keep_their_integers():
    (shown,) = at_batch_size([INT8], 1, "native")
    assert (shown.dtype, shown.scale, shown.zero_point) == ("int8", 0.1, 3)


def test_float32_specs_hide_the_integers_of_quantized_tensors():
    (shown,) = at_batch_size([INT8], 1, "float32")
    assert (shown.dtype, shown.scale, shown.zero_point) == ("float32", None, None)


def test_integers_that_stand_for_themselves_stay_integers():
    assert at_batch_size([TOKENS], 1, "float32")[0].dtype == "int64"


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
def test_what_is_no_array_is_named(feed, kind):
    assert message(right=feed) == f"input right must be a numpy array; found {kind}"
