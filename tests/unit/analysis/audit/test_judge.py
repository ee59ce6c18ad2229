"""The rules that explain a scale which does not follow from a tensor's own range."""

from __future__ import annotations

import dataclasses

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


def verdict(tensors, layers, ranges, name, **fields):
    observed = Observed(
        ranges={key: (np.float32(low), np.float32(high)) for key, (low, high) in ranges.items()},
        constants={},
        layers=layers,
    )
    scheme = Scheme(symmetric_activations=False, symmetric_weights=True, **fields)
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
            ("exact", "range of it and of the ADD that writes over it while the converter calibrates"),
        ),
        (affine(4), Layer(kind="FULLY_CONNECTED", inputs=("x",), outputs=("y",)), ("different", None)),
        (
            affine(4),
            Layer(kind="REDUCE_MAX", inputs=("x",), outputs=("y",)),
            ("exact", "has the scale of the REDUCE_MAX that takes it"),
        ),
        (affine(4), Layer(kind="MaxPool", inputs=("x",), outputs=("y",)), ("different", None)),
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
    ids=["own", "none", "folded", "sum", "dense", "maximum", "onnx-pool", "pool", "softmax"],
)
def test_each_rule_is_named(own, layer, expected):
    tensors = [stored("x", own), stored("y", affine(4))]
    assert verdict(tensors, (layer,) if layer else (), RANGES, "x") == expected


def test_an_overwritten_operand_has_the_range_of_both():
    layer = Layer(kind="SUB", inputs=("x",), outputs=("y",))
    ranges = {"x": (0.0, 1.0), "y": (-3.0, 0.5)}
    assert verdict([stored("x", affine(1, -3.0))], (layer,), ranges, "x")[0] == "exact"
    assert verdict([stored("x", affine(0.5, -3.0))], (layer,), ranges, "x")[0] == "different"


def test_a_scale_is_shared_through_several_operators():
    layers = (
        Layer(kind="RESHAPE", inputs=("x",), outputs=("r",)),
        Layer(kind="CONCATENATION", inputs=("r", "s"), outputs=("y",)),
    )
    ranges = {"x": (0.0, 1.0), "r": (0.0, 1.0), "s": (0.0, 8.0), "y": (0.0, 8.0)}
    found = verdict([stored("x", affine(8))], layers, ranges, "x")
    assert found == ("exact", "has the scale of the RESHAPE that takes it")


def test_two_wrong_scales_do_not_vouch_for_each_other():
    layer = Layer(kind="MAX_POOL_2D", inputs=("x",), outputs=("y",))
    tensors = [stored("x", affine(7)), stored("y", affine(7))]
    assert verdict(tensors, (layer,), RANGES, "x")[0] == "different"
    assert verdict(tensors, (layer,), RANGES, "y")[0] == "different"


@pytest.mark.parametrize(
    ("kind", "dtype", "own"),
    [
        ("SOFTMAX", "int16", Affine(f32(1 / 32768), np.asarray(0))),
        ("LOG_SOFTMAX", "int8", Affine(f32(1 / 16), np.asarray(127))),
        ("Softmax", "int8", Affine(f32(1 / 256), np.asarray(-128))),
        ("Softmax", "uint8", affine_from_range(f32(0), f32(1), (0, 255), is_symmetric=False)),
    ],
    ids=str,
)
def test_some_operators_fix_the_scale_of_their_result(kind, dtype, own):
    layer = Layer(kind=kind, inputs=("y",), outputs=("x",))
    tensor = dataclasses.replace(stored("x", own), dtype=dtype)
    assert verdict([tensor], (layer,), {"x": (0.1, 0.3)}, "x")[0] == "exact"


def test_an_exact_rule_comes_before_one_that_is_near():
    low = np.nextafter(np.float32(4), np.float32(5))
    layer = Layer(kind="MAX_POOL_2D", inputs=("y",), outputs=("x",))
    assert verdict([stored("x", affine(4))], (layer,), {"x": (0.0, low), "y": (0.0, 4.0)}, "x")[0] == "exact"


def test_the_tflite_converter_makes_room_for_a_large_bias():
    scale = np.float32(3.0 / (0.5 * (2**31 - 1) * np.float64(np.float32(0.01))))
    tensors = [
        stored("x", Affine(f32(0.01), np.asarray(0))),
        Stored(
            name="w",
            role="weight",
            dtype="int8",
            affine=Affine(scale, np.asarray(0)),
            integers=np.zeros((1, 4), np.int8),
        ),
        Stored(
            name="b",
            role="bias",
            dtype="int32",
            affine=Affine(f32(0.01) * scale, np.asarray(0)),
            source="x",
            weight="w",
        ),
    ]
    constants = {"w": np.zeros((1, 4), np.float32), "b": np.array([-3.0], np.float32)}
    observed = Observed(ranges={}, constants=constants, layers=())
    scheme = Scheme(symmetric_activations=False, symmetric_weights=True, is_tflite=True)
    found = {each.name: each for each in Judge(tensors, observed, scheme).run()}
    assert (found["w"].verdict, found["w"].reason) == (
        "exact",
        "widened for a large bias, which has to fit int32",
    )


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
