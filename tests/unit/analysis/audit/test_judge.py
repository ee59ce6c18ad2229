"""The rules that explain a scale which does not follow from a tensor's own range."""

from __future__ import annotations

import numpy as np
import pytest

from crossrt.analysis.audit.affine import Affine, affine_from_range
from crossrt.analysis.audit.judge import Judge, Scheme
from crossrt.analysis.audit.record import Layer, Observed, Stored


def f32(value):
    return np.asarray(np.float32(value))


def affine(high, low=0.0):
    return affine_from_range(f32(low), f32(high), (-128, 127), is_symmetric=False)


def stored(name, scheme):
    return Stored(name=name, role="activation", dtype="int8", affine=scheme)


def verdict(tensors, layers, ranges, name):
    observed = Observed(
        ranges={key: (np.float32(low), np.float32(high)) for key, (low, high) in ranges.items()},
        constants={},
        layers=layers,
    )
    scheme = Scheme(symmetric_activations=False, symmetric_weights=True)
    (found,) = [each for each in Judge(tensors, observed, scheme).run() if each.name == name]
    return found.verdict, found.reason


RANGES = {"x": (0.0, 1.0), "y": (0.0, 4.0), "r": (0.0, 4.0)}


@pytest.mark.parametrize(
    ("own", "layer", "expected"),
    [
        (affine(1), None, ("exact", None)),
        (affine(3), None, ("different", None)),
        (affine(4), Layer(kind="RELU", inputs=("x",), outputs=("r",)), ("exact", "range of the RELU folded into it")),
        (
            affine(4),
            Layer(kind="ADD", inputs=("x",), outputs=("y",)),
            ("exact", "has the scale of the ADD that takes it"),
        ),
        (affine(4), Layer(kind="MUL", inputs=("x",), outputs=("y",)), ("different", None)),
        (
            affine(4),
            Layer(kind="MAX_POOL_2D", inputs=("y",), outputs=("x",)),
            ("exact", "MAX_POOL_2D keeps the scale of what it takes"),
        ),
        (
            Affine(f32(1 / 256), np.asarray(-128)),
            Layer(kind="SOFTMAX", inputs=("y",), outputs=("x",)),
            ("exact", "fixed by SOFTMAX"),
        ),
    ],
    ids=["own", "none", "folded", "sum", "product", "pool", "softmax"],
)
def test_each_rule_is_named(own, layer, expected):
    tensors = [stored("x", own), stored("y", affine(4))]
    assert verdict(tensors, (layer,) if layer else (), RANGES, "x") == expected


def test_a_tensor_that_the_float_model_lacks_is_said():
    assert verdict([stored("z", affine(1))], (), {}, "z") == ("different", "the float model has no such tensor")


@pytest.mark.parametrize(("integers", "wrong"), [([0, 2, 3], 0), ([1, 2, 3], 0), ([0, 2, 4], 1)])
def test_in_the_middle_of_two_integers_both_are_nearest(integers, wrong):
    values = np.array([0.5, 2.0, 3.0], dtype=np.float32)
    tensor = Stored(
        name="w",
        role="weight",
        dtype="int8",
        affine=Affine(f32(1), np.asarray(0)),
        integers=np.array(integers, dtype=np.int8),
    )
    observed = Observed(ranges={}, constants={"w": values}, layers=())
    (found,) = Judge([tensor], observed, Scheme(symmetric_activations=False, symmetric_weights=True)).run()
    assert found.wrong_integers == wrong
