"""Random inputs from specs: what is drawn, and that it follows from the seed and the sample's number alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.opening import DataRequest, open_dataset


def spec(dtype="float32", shape=("N", 3), name="x", **more):
    return TensorSpec(name=name, dtype=dtype, shape=shape, **more)


def drawn(*inputs, **options):
    return open_dataset(DataRequest(reference="random", **options), inputs)


@given(
    indices=st.lists(st.integers(0, 19), min_size=1, max_size=10),
    dtype=st.sampled_from(["float32", "float16", "uint8", "int8", "int64", "bool", "uint16"]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=50, deadline=None)
def test_a_sample_is_the_same_whatever_chunk_it_is_read_in(indices, dtype, seed):
    data = drawn(spec(dtype), limit=20, seed=seed)
    rows = data.feeds(indices)["x"]
    for position, index in enumerate(indices):
        np.testing.assert_array_equal(rows[position], data.feeds([index])["x"][0])


def test_more_samples_than_random_ones_are_good_for_are_refused():
    assert len(drawn(spec(), limit=2**20)) == 2**20
    with pytest.raises(DataError, match="2,000,000,000 random samples are asked for, and at most 1,048,576 are drawn"):
        drawn(spec(), limit=2 * 10**9)


@pytest.mark.parametrize(
    ("dtype", "fed", "low", "high"),
    [
        ("uint8", "uint8", 0, 255),
        ("int8", "int8", 0, 1),
        ("int64", "int64", 0, 1),
        ("uint32", "uint32", 0, 1),
        ("bool", "bool", 0, 1),
    ],
)
def test_integers_stay_in_their_range_and_reach_its_ends(dtype, fed, low, high):
    rows = drawn(spec(dtype, ("N", 200))).feeds(range(100))["x"]
    assert rows.dtype == fed
    assert (rows.min(), rows.max()) == (low, high)


@pytest.mark.parametrize(
    "given_spec",
    [spec(), spec("float16"), spec("float64"), spec("bfloat16"), spec("int8", scale=0.5, zero_point=3)],
)
def test_what_stands_for_real_numbers_is_standard_normal_float32(given_spec):
    rows = drawn(given_spec).feeds(range(128))["x"]
    assert rows.dtype == np.float32
    assert abs(rows.mean()) < 0.2
    assert 0.8 < rows.std() < 1.2


def test_seeds_and_inputs_give_other_values():
    first = drawn(spec(), spec(name="y"), seed=1).feeds([0])
    assert (first["x"] != first["y"]).any()
    assert (first["x"] != drawn(spec(), spec(name="y"), seed=2).feeds([0])["x"]).any()
    prints = {drawn(spec(), **options).fingerprint for options in ({}, {"seed": 1}, {"limit": 3})}
    assert len(prints) == 3
    assert drawn(spec()).fingerprint == drawn(spec()).fingerprint


def test_the_batch_is_left_out_wherever_it_stands_and_other_inputs_are_shared():
    data = drawn(spec(shape=("N", 3)), spec(shape=(2, "N", 4), name="state"), spec("int64", (), "rate"))
    feeds = data.feeds([0, 1])
    assert feeds["state"].shape == (2, 2, 4)
    assert data.shared == {"rate"}
    assert feeds["rate"].shape == ()


def test_without_a_batch_a_sample_is_the_whole_input():
    assert drawn(spec(shape=(7,))).feeds([0, 1])["x"].shape == (2, 7)


def test_dimensions_are_bound_or_named():
    sequence = spec("int64", ("batch", "seq", "ids[2]"), "ids")
    with pytest.raises(DataError) as caught:
        drawn(sequence)
    assert "dynamic dimension seq, ids[2] of ids int64 (batch, seq, ids[2])" in str(caught.value)
    assert "--dim seq=SIZE --dim 'ids[2]=SIZE'" in str(caught.value)
    assert drawn(sequence, dimensions={"seq": 5, "ids[2]": 2}).feeds([0])["ids"].shape == (1, 5, 2)


def test_text_is_refused():
    with pytest.raises(DataError, match="which is text: give data with --data"):
        drawn(spec("str"))


def test_a_model_is_needed():
    with pytest.raises(DataError, match="no model was given"):
        open_dataset(DataRequest(reference="random"))


def test_a_note_says_that_nothing_about_accuracy_was_measured():
    assert drawn(spec()).notes == ("inputs are random: nothing about accuracy was measured",)


@pytest.mark.parametrize("options", [{"seed": -1}, {"limit": 0}])
def test_a_seed_or_limit_out_of_range_is_refused(options):
    with pytest.raises(DataError, match=f"{next(iter(options.values()))}"):
        DataRequest(reference="random", **options)


def test_a_sample_that_no_memory_holds_is_refused_before_it_is_drawn():
    spec = TensorSpec(name="ids", dtype="int64", shape=("N", "seq"))
    with pytest.raises(DataError, match=r"one sample of ids .* would take 16\.0 GB in the shape \(2000000000\)"):
        open_dataset(DataRequest(reference="random", dimensions={"seq": 2_000_000_000}), [spec])
