"""Arrays and inputs: what is matched, what is refused with which advice, and how samples are laid out."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossrt.core.errors import DataError
from crossrt.core.tensor import Batching, TensorSpec, batching_of
from crossrt.datasets.fitting import Fit, fed_dtype, fit, model_feeds, savez_line
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.readers.callables import dataset_from


def spec(name="image", dtype="float32", shape=("N", 28, 28, 1), **more):
    return TensorSpec(name=name, dtype=dtype, shape=shape, **more)


def fitted(arrays, *inputs, dimensions=None) -> Fit:
    return fit(dataset_from(arrays, "test"), inputs, batching_of(inputs), dimensions)


def refusal(arrays, *inputs, dimensions=None) -> str:
    with pytest.raises(DataError) as caught:
        fitted(arrays, *inputs, dimensions=dimensions)
    return str(caught.value)


def fed(arrays, *inputs, indices):
    data, batching = dataset_from(arrays, "test"), batching_of(inputs)
    return model_feeds(data, fit(data, inputs, batching), inputs, batching, indices)


def f32(*shape):
    return np.zeros(shape, np.float32)


def test_arrays_are_matched_by_name():
    found = fitted({"b": f32(2, 3), "a": f32(2, 3)}, spec("a", shape=("N", 3)), spec("b", shape=("N", 3)))
    assert found == Fit(arrays={"a": "a", "b": "b"}, dimensions={})


def test_a_lone_array_feeds_a_lone_input_whatever_its_name():
    found = fitted({"pictures": f32(2, 28, 28, 1)}, spec())
    assert found.arrays == {"image": "pictures"}
    assert found.notes == ("the only array, 'pictures', feeds the only input, 'image'",)


def test_other_names_are_matched_where_only_one_fits():
    inputs = spec("tokens", "int64", ("N", "seq")), spec("mask", "bool", ("N", "seq")), spec("x", shape=("N", 2))
    found = fitted({"x": f32(2, 2), "m": np.zeros((2, 5), bool), "t": np.zeros((2, 5), np.int64)}, *inputs)
    assert found.arrays == {"tokens": "t", "mask": "m", "x": "x"}
    assert found.dimensions == {"seq": 5}
    assert "the array 't' feeds input 'tokens', the only one that it fits" in found.notes


@pytest.mark.parametrize("name", ["y", "label", "targets", "y_test"])
def test_labels_under_another_name_are_recognized(name):
    message = refusal({"image": f32(2, 28, 28, 1), name: np.zeros(2)}, spec())
    assert f"if {name!r} holds labels, call it 'labels'" in message


def test_arrays_that_could_be_either_input_are_refused():
    message = refusal({"p": f32(2, 3), "q": f32(2, 3)}, spec("a", shape=("N", 3)), spec("b", shape=("N", 3)))
    assert "no array for the inputs a, b; no input for the arrays p, q" in message
    assert (
        "The data set has p float32 (3,), q float32 (3,); the model takes a float32 (N, 3), b float32 (N, 3)" in message
    )


def test_missing_and_extra_arrays_are_named_with_a_likely_spelling():
    inputs = spec("image"), spec("meta", shape=("N", 2))
    message = refusal({"image": f32(2, 28, 28, 1), "metas": f32(2, 3)}, *inputs)
    assert "no array for the input meta; no input for the array metas" in message
    assert "rename 'metas' to 'meta'" in message
    assert "no array for the input meta" in refusal({"image": f32(2, 28, 28, 1)}, *inputs)
    assert "no input for the array more" in refusal({"image": f32(2, 28, 28, 1), "more": f32(2)}, spec())


@pytest.mark.parametrize(
    ("found", "given_spec", "advice"),
    [
        (np.float64, spec(), 'is float64, expected float32: write `image.astype("float32")`'),
        (np.float16, spec(), 'is float16, expected float32: write `image.astype("float32")`'),
        (np.uint8, spec(), "is uint8, expected float32: values are never scaled automatically; scale them"),
        (
            np.float32,
            spec(dtype="uint8"),
            'expected uint8: if the values are whole numbers, write `image.astype("uint8")`',
        ),
        (np.int64, spec(dtype="int32"), 'is int64, expected int32: write `image.astype("int32")`'),
        (np.str_, spec(), "is str, expected float32: a model's text and numbers are not converted"),
    ],
)
def test_a_wrong_dtype_is_named_with_the_change_that_fits(found, given_spec, advice):
    assert advice in refusal({"image": np.zeros((2, 28, 28, 1), found)}, given_spec)


@pytest.mark.parametrize(
    ("shape", "expected", "advice"),
    [
        ((2, 32, 30, 3), ("N", 3, 32, 30), "`image.transpose(0, 3, 1, 2)` would fit (NHWC to NCHW)"),
        ((2, 3, 32, 32), ("N", 32, 32, 3), "`image.transpose(0, 2, 3, 1)` would fit (NCHW to NHWC)"),
        ((2, 5, 7), ("N", 7, 5), "`image.transpose(0, 2, 1)` would fit; check"),
        ((2, 28, 28), ("N", 28, 28, 1), "`numpy.expand_dims(image, 3)` would fit"),
        ((2, 28, 28), ("N", 1, 28, 28), "`numpy.expand_dims(image, 1)` would fit"),
        ((2, 28, 28, 1), ("N", 28, 28), "`image.squeeze(3)` would fit"),
        ((2, 784), ("N", 28, 28, 1), "`image.reshape(-1, 28, 28, 1)` has that shape; check"),
        ((28, 26, 3), ("N", 28, 26, 3), "if it is one sample, `numpy.expand_dims(image, 0)` would fit"),
        ((2, 32, 32, 3), ("N", 28, 28, 3), "fixed size there (32 instead of 28, 32 instead of 28); resize the data"),
        ((2, 5), ("N", "h", "w", 3), "has shape (2, 5) where samples of shape (h, w, 3) are expected"),
        ((2,), ("N", 3), "has shape (2,) where samples of shape (3,) are expected"),
    ],
)
def test_a_wrong_shape_is_named_with_the_change_that_fits(shape, expected, advice):
    message = refusal({"image": f32(*shape)}, spec(shape=expected))
    assert advice in message
    assert "has samples of shape" in message or "where samples of shape" in message


@settings(deadline=None)
@given(st.permutations([3, 8, 9]))
def test_the_advice_on_layouts_works(sizes):
    expected = spec(shape=("N", 3, 8, 9))
    array = f32(2, *sizes)
    if sizes == [3, 8, 9]:
        assert fitted({"image": array}, expected)
        return
    order = re.search(r"transpose\((.*?)\)", refusal({"image": array}, expected))[1]
    assert fitted({"image": array.transpose(*map(int, order.split(",")))}, expected)


def test_shape_and_dtype_are_reported_together_and_for_each_array():
    inputs = spec("a", shape=("N", 2)), spec("b", shape=("N", 2))
    message = refusal({"a": np.zeros((2, 3)), "b": np.zeros((2, 2))}, *inputs)
    assert "the array 'a' has samples of shape (3,), expected (2,)" in message
    assert "; it also is float64, expected float32" in message
    assert "; the array 'b' is float64" in message


def test_dimensions_follow_from_the_data_and_must_agree():
    ids, mask = spec("ids", "int64", ("N", "seq")), spec("mask", "int64", ("N", "seq"))
    arrays = {"ids": np.zeros((2, 7), np.int64), "mask": np.zeros((2, 7), np.int64)}
    assert fitted(arrays, ids, mask, dimensions={"seq": 7, "N": 4}).dimensions == {"seq": 7}
    message = refusal(arrays, ids, mask, dimensions={"seq": 128})
    assert "the dimension seq of input ids was set to 128, but the array 'ids' of test has 7 there" in message
    assert "use --dim seq=7, or leave it out" in message
    arrays["mask"] = np.zeros((2, 8), np.int64)
    assert "the dimension seq is 7 in the array 'ids' and 8 in 'mask'" in refusal(arrays, ids, mask)


def test_zero_samples_are_refused():
    assert "the data set test has no samples; expected at least one" in refusal({"image": f32(0, 28, 28, 1)}, spec())


@pytest.mark.parametrize(
    ("given_spec", "expected"),
    [
        (spec(dtype="float64"), "float32"),
        (spec(dtype="bfloat16"), "float32"),
        (spec(dtype="uint8", scale=0.1, zero_point=3), "float32"),
        (spec(dtype="uint8"), "uint8"),
        (spec(dtype="str"), "str"),
        (spec(dtype="bool"), "bool"),
    ],
)
def test_real_numbers_are_fed_as_float32_and_others_as_they_are(given_spec, expected):
    assert fed_dtype(given_spec) == expected


def test_samples_lie_along_the_axis_of_the_batch():
    x, state = np.arange(12, dtype=np.float32).reshape(4, 3), np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    feeds = fed({"x": x, "state": state}, spec("x", shape=("N", 3)), spec("state", shape=(2, "N", 3)), indices=[3, 1])
    np.testing.assert_array_equal(feeds["x"], x[[3, 1]])
    np.testing.assert_array_equal(feeds["state"], state[[3, 1]].transpose(1, 0, 2))
    assert all(array.flags.c_contiguous for array in feeds.values())


def test_a_model_without_a_batch_takes_one_sample_as_it_is():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(fed({"x": x}, spec("x", shape=(3,)), indices=[1])["x"], x[1])
    with pytest.raises(DataError, match="batch size 2 cannot be run"):
        fed({"x": x}, spec("x", shape=(3,)), indices=[0, 1])


def test_a_fixed_batch_takes_as_many_samples():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert fed({"x": x}, spec("x", shape=(2, 3)), indices=[0, 3])["x"].tolist() == x[[0, 3]].tolist()
    with pytest.raises(DataError, match="has a fixed batch of 2: batch size 3 cannot be run"):
        fed({"x": x}, spec("x", shape=(2, 3)), indices=[0, 1, 2])
    with pytest.raises(DataError, match="at least one sample"):
        fed({"x": x}, spec("x", shape=("N", 3)), indices=[])


def test_an_input_without_an_axis_for_samples_is_shared():
    inputs = spec("x", shape=("N", 3)), spec("rate", "int64", ())
    feeds = fed({"x": f32(4, 3), "rate": np.int64(16000)}, *inputs, indices=[0, 1])
    assert (feeds["rate"].shape, feeds["rate"]) == ((), 16000)


def test_a_shared_value_is_repeated_for_an_input_with_an_axis_for_samples():
    inputs = spec("x", shape=("N", 3)), spec("rate", "int64", ("N",))
    assert fed({"x": f32(4, 3), "rate": np.int64(8)}, *inputs, indices=[0, 1])["rate"].tolist() == [8, 8]


def test_samples_may_repeat_one_value_for_a_shared_input_but_not_differ():
    inputs = spec("x", shape=("N", 3)), spec("rate", "int64", ())
    rate = np.full(40, 8)
    found = fitted({"x": f32(40, 3), "rate": rate}, *inputs)
    assert found.notes == ("input rate has no axis for samples: every sample must hold the same value",)
    assert fed({"x": f32(40, 3), "rate": rate}, *inputs, indices=[5, 6])["rate"].shape == ()
    late, early = rate.copy(), rate.copy()
    late[39], early[1] = 9, 9
    assert "differs among samples" in refusal({"x": f32(40, 3), "rate": early}, *inputs)
    with pytest.raises(DataError, match="the array 'rate' of test differs among samples"):
        fed({"x": f32(40, 3), "rate": late}, *inputs, indices=[38, 39])


def test_random_inputs_fit_every_kind_of_model():
    for inputs in (
        (spec("x", "float16", ("N", 3)), spec("s", "int64", (2, "N")), spec("rate", "int64", ())),
        (spec("x", "uint8", (4, 3)),),
        (spec("x", "bool", (3,)), spec("y", "int8", (), scale=0.5, zero_point=0)),
    ):
        data, batching = open_dataset(DataRequest(reference="random"), inputs), batching_of(inputs)
        count = batching.size or (2 if batching.dimension else 1)
        feeds = model_feeds(data, fit(data, inputs, batching), inputs, batching, range(count))
        sizes = {"N": 2}
        assert {name: array.shape for name, array in feeds.items()} == {
            each.name: each.bound(sizes).shape for each in inputs
        }


def test_the_savez_line_fits_the_model_that_it_was_written_for(tmp_path, monkeypatch):
    inputs = (
        spec("image", "float16", ("N", 4, 4)),
        spec("a/b:0", "int64", (2, "N", "seq")),
        spec("rate", "int64", ()),
        spec("class", "bool", ("N",)),
    )
    batching = batching_of(inputs)
    line = savez_line(inputs, batching)
    assert "image: (samples, 4, 4), a/b:0: (samples, 2, seq), rate: (), class: (samples,)" in line
    assert line.endswith("; and labels=labels, where there are any")
    names = {
        "image": f32(3, 4, 4),
        "a_b_0": np.ones((3, 2, 5)),
        "rate": 8,
        "_class": np.ones(3),
    }
    monkeypatch.chdir(tmp_path)
    exec(line, {"numpy": np, **names})  # the line is the product
    data = open_dataset(DataRequest(reference="data.npz"), inputs)
    assert fit(data, inputs, batching).dimensions == {"seq": 5}
    assert data.labels is None


def test_names_that_savez_cannot_take_get_an_underscore():
    inputs = (spec("labels", shape=("N", 2)),)
    assert savez_line(inputs, batching_of(inputs)).startswith('numpy.savez("data.npz", labels_=numpy.asarray(labels_,')


def test_a_batching_of_its_own_is_followed():
    inputs, batching = (spec("x", shape=(1, 3)),), Batching(axes={})
    data = dataset_from({"x": f32(2, 1, 3)}, "test")
    assert model_feeds(data, fit(data, inputs, batching), inputs, batching, [1])["x"].shape == (1, 3)
