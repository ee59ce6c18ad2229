"""Which array of a data set feeds which input of a model, and how samples lie in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossrt.core.errors import DataError
from crossrt.core.tensor import TensorSpec, batching_of
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.process.messages import InputFile


def spec(name, *shape, dtype="float32"):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


class Arrays:
    """Samples in memory."""

    name, fingerprint, notes, labels = "test.npz", "f" * 64, (), None

    def __init__(self, shared=(), **arrays):
        self.arrays, self.shared = arrays, frozenset(shared)
        self.inputs = {
            name: TensorSpec(
                name=name, dtype=each.dtype.name, shape=each.shape if name in self.shared else each.shape[1:]
            )
            for name, each in arrays.items()
        }

    def __len__(self):
        return next(len(each) for name, each in self.arrays.items() if name not in self.shared)

    def feeds(self, indices):
        return {name: each if name in self.shared else each[list(indices)] for name, each in self.arrays.items()}


@pytest.fixture
def artifact(make_artifact):
    return lambda *inputs: make_artifact(inputs=inputs, batching=batching_of(inputs))


def ones(*shape):
    return np.ones(shape, np.float32)


def test_several_inputs_are_matched_by_name(artifact):
    model = artifact(spec("left", "N", 4), spec("right", "N", 3))
    found = feeding_of(model, Arrays(right=ones(5, 3), left=ones(5, 4)), {})
    assert found.inputs({"left": "l.npy", "right": "r.npy"}) == (
        InputFile(name="left", path="l.npy", axis=0),
        InputFile(name="right", path="r.npy", axis=0),
    )


def test_a_single_input_may_have_any_name(artifact):
    found = feeding_of(artifact(spec("image", "N", 4)), Arrays(pixels=ones(5, 4)), {})
    assert found.inputs({"pixels": "p.npy"}) == (InputFile(name="image", path="p.npy", axis=0),)


def test_a_state_has_its_samples_along_its_own_axis(artifact):
    model = artifact(spec("x", "N", 4), spec("state", 2, "N", 3))
    found = feeding_of(model, Arrays(x=ones(5, 4), state=ones(5, 2, 3)), {})
    assert [each.axis for each in found.inputs({"x": "x", "state": "s"})] == [0, 1]


def test_an_input_without_an_axis_for_samples_is_shared(artifact):
    model = artifact(spec("x", "N", 4), spec("rate", dtype="int64"))
    found = feeding_of(model, Arrays(x=ones(5, 4), rate=np.array(16000), shared=["rate"]), {})
    x, rate = found.inputs({"x": "x", "rate": "r"})
    assert (x.is_shared, rate.is_shared, rate.axis) == (False, True, None)


def test_a_model_without_a_batch_takes_one_sample_as_it_is(artifact):
    (signal,) = feeding_of(artifact(spec("signal", 6)), Arrays(signal=ones(5, 6)), {}).inputs({"signal": "s"})
    assert (signal.axis, signal.is_shared) == (None, False)


def test_sizes_of_dimensions_follow_from_the_data_and_from_the_user(artifact):
    model = artifact(spec("tokens", "N", "seq", dtype="int64"))
    found = feeding_of(model, Arrays(tokens=np.ones((5, 7), np.int64)), {"another": 3})
    assert found.dimensions == {"seq": 7}
    assert feeding_of(model, Arrays(tokens=np.ones((5, 7), np.int64)), {"seq": 7}).dimensions == {"seq": 7}


def test_a_dimension_that_contradicts_the_data_names_both_sizes(artifact):
    model = artifact(spec("tokens", "N", "seq", dtype="int64"))
    with pytest.raises(DataError, match=r"seq .* was set to 8, but .* has 7 there"):
        feeding_of(model, Arrays(tokens=np.ones((5, 7), np.int64)), {"seq": 8})


def test_a_dimension_that_is_not_bound_is_named_with_the_option_that_binds_it(artifact, monkeypatch):
    model, tokens = artifact(spec("tokens", "N", "seq", dtype="int64")), Arrays(tokens=np.ones((5, 7), np.int64))
    found = dataclasses.replace(feeding_of(model, tokens, {}).fit, dimensions={})
    monkeypatch.setattr("crossrt.harness.evaluate.feeding.fit", lambda *_: found)
    with pytest.raises(DataError, match=r"the dimension seq of net.int8.tflite is not bound: .* --dim seq=128"):
        feeding_of(model, tokens, {})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"left": ones(5, 4)}, "right"),
        ({"left": ones(5, 4), "right": ones(5, 3), "more": ones(5, 2)}, "more"),
        ({"left": ones(5, 4), "right": ones(5, 9)}, r"right"),
        ({"left": ones(5, 4), "right": np.ones((5, 3), np.float64)}, "float64"),
    ],
)
def test_what_does_not_fit_is_named(artifact, arrays, message):
    with pytest.raises(DataError, match=message):
        feeding_of(artifact(spec("left", "N", 4), spec("right", "N", 3)), Arrays(**arrays), {})
