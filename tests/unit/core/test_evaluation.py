"""Arrays packed into text, and what damaged ones come to."""

from __future__ import annotations

import base64
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from crossrt.core.errors import CrossrtError
from crossrt.core.evaluation import Packed

DTYPES = st.sampled_from(["bool", "int8", "uint8", "int16", "uint16", "int32", "int64", "float32", "float64"])


@given(DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))))
def test_what_was_packed_comes_back(array):
    packed = Packed.of(array)
    again = msgspec.json.decode(msgspec.json.encode(packed), type=Packed).unpack()
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_booleans_take_an_eighth_of_a_byte_before_compression():
    raw = zlib.decompress(base64.b64decode(Packed.of(np.ones(800, bool)).data))
    assert len(raw) == 100


@pytest.mark.parametrize(
    "damaged",
    [
        Packed(dtype="float32", shape=(3,), data="not base64!"),
        Packed(dtype="float32", shape=(3,), data=base64.b64encode(b"not zlib").decode()),
        Packed(dtype="float32", shape=(3,), data=Packed.of(np.zeros(2, np.float32)).data),
        Packed(dtype="object", shape=(1,), data=Packed.of(np.zeros(8, np.uint8)).data),
        Packed(dtype="nonsense", shape=(1,), data=Packed.of(np.zeros(8, np.uint8)).data),
        Packed(dtype="uint8", shape=(2**40,), data=Packed.of(np.zeros(8, np.uint8)).data),
    ],
)
def test_damaged_arrays_are_one_error(damaged):
    with pytest.raises(CrossrtError, match="packed array is damaged"):
        damaged.unpack()


def test_a_small_text_that_unpacks_to_gigabytes_takes_no_memory():
    bomb = base64.b64encode(zlib.compress(bytes(2**24), 9)).decode()
    with pytest.raises(CrossrtError):
        Packed(dtype="uint8", shape=(10,), data=bomb).unpack()
