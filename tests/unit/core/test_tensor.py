"""Tensor specs with named dimensions, and how samples lie in the inputs of a model."""

from __future__ import annotations

import pytest

from crossrt.core.tensor import TensorSpec, batching_of, described, dynamic_dimensions


def spec(name, *shape, dtype="float32"):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_binding_replaces_known_names_and_keeps_the_others():
    bound = spec("ids", "batch", "seq", 8).bound({"seq": 128})
    assert bound.shape == ("batch", 128, 8)
    assert bound.dynamic == ("batch",)


def test_a_tensor_is_described_with_its_dimensions():
    assert described(spec("x", "batch", 3, None)) == "x float32 (batch, 3, ?)"
    assert described(spec("n", 4)) == "n float32 (4,)"


def test_dynamic_dimensions_are_named_once_in_order():
    assert dynamic_dimensions([spec("a", "n", "seq"), spec("b", "seq", "m")]) == ("n", "seq", "m")


@pytest.mark.parametrize(
    ("inputs", "dimension", "size", "axes"),
    [
        ([spec("x", "N", 3, 8, 8)], "N", None, {"x": 0}),
        ([spec("x", "N", 3), spec("state", 2, "N", 16), spec("rate", dtype="int64")], "N", None, {"x": 0, "state": 1}),
        ([spec("state", 2, "s", 3), spec("x", "batch", 4)], "batch", None, {"x": 0}),
        ([spec("x", 1, 3, 8, 8)], None, 1, {"x": 0}),
        ([spec("a", 4, 2), spec("b", 4, 3)], None, 4, {"a": 0, "b": 0}),
        ([spec("a", 4, 2), spec("b", 5, 3)], None, None, {}),
        ([spec("signal", 128)], None, None, {}),
        ([spec("scalar")], None, None, {}),
        ([], None, None, {}),
    ],
)
def test_batching_follows_from_the_shapes_of_the_inputs(inputs, dimension, size, axes):
    found = batching_of(inputs)
    assert (found.dimension, found.size, dict(found.axes)) == (dimension, size, axes)
    assert found.is_batched == bool(axes)


def test_a_fixed_batch_refuses_other_sizes_and_says_what_to_do():
    fixed = batching_of([spec("x", 4, 2)])
    assert fixed.refusal(4) is None
    assert "fixed batch of 4" in fixed.refusal(1)
    assert "--batch 4" in fixed.refusal(1)
    assert batching_of([spec("x", "N", 2)]).refusal(64) is None
    assert "fixed batch of 1" in batching_of([spec("x", 128)]).refusal(2)
