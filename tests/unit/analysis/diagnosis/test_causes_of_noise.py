"""What a diagnosis measures besides the noise itself: rounding, shifts, and channels that are far apart."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from crossrt.analysis.audit.affine import Affine
from crossrt.analysis.diagnosis.channels import channel_spread
from crossrt.analysis.diagnosis.measure import Measure
from crossrt.analysis.onnx_graph import Graph

SCALE = 0.1


def measured(exact, integers, **options):
    affine = Affine(np.array([SCALE], np.float32), np.zeros(1, np.int64))
    measure = Measure("a", "activation", "uint8", affine, None, "shipped", **options)
    for batch, found in zip(np.array_split(exact, 4), np.array_split(integers, 4), strict=True):
        measure.add(batch.astype(np.float32), found.astype(np.uint8))
    return measure.result(0)


@pytest.fixture
def exact():
    return np.random.default_rng(0).uniform(2, 20, (400, 3, 5))


def test_all_noise_of_a_tensor_that_was_only_rounded_is_rounding(exact):
    found = measured(exact, np.rint(exact / SCALE))
    assert found.rounding == pytest.approx(1.0, abs=0.05)
    assert found.shift == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("axis", "shape"), [(1, (1, 3, 1)), (-1, (1, 1, 5))])
def test_a_constant_error_of_each_channel_is_a_shift(exact, axis, shape):
    offsets = np.resize((-5, 0, 5), shape)
    found = measured(exact, np.rint(exact / SCALE) + offsets, channel_axis=axis)
    other = measured(exact, np.rint(exact / SCALE) + offsets, channel_axis=-1 if axis == 1 else 1)
    assert found.shift > 0.95
    assert other.shift < 0.1
    assert found.rounding < 0.05


def graph_with(operator, weights, **attributes) -> Graph:
    taken = ir.Value(name="x")
    weight = ir.Value(name="w", const_value=ir.tensor(weights.astype(np.float32), name="w"))
    node = ir.node(operator, [taken, weight], attributes=attributes)
    return Graph(ir.Model(ir.Graph([taken], node.outputs, nodes=[node], initializers=[weight]), ir_version=10))


@pytest.mark.parametrize(
    ("operator", "shape", "attributes"),
    [
        ("Conv", (5, 1, 1, 1), {}),
        ("Gemm", (5, 1), {"transB": 1}),
        ("Gemm", (1, 5), {}),
        ("MatMul", (1, 5), {}),
    ],
)
def test_channels_are_compared_along_the_axis_of_the_outputs(operator, shape, attributes):
    factors = np.array([1, 2, 2, 3, 30.0]).reshape(shape)
    wide = [size if factor == 1 else factor for size, factor in zip((5, 4, 3, 3), shape, strict=False)]
    weights = np.ones(wide) * factors
    weights.flat[0] *= -1
    assert channel_spread(graph_with(operator, weights, **attributes), "w") == pytest.approx(15)


def test_what_no_layer_reads_has_no_channels():
    assert channel_spread(graph_with("Mul", np.ones((3, 3))), "w") is None
    assert channel_spread(graph_with("MatMul", np.zeros((3, 3))), "w") is None
