"""Which nodes are quantized or left in float together."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.onnx_graph import Graph
from crossrt.analysis.search.costs import time_shares
from crossrt.analysis.search.units import quantizable_types, units_of


def network() -> onnx.ModelProto:
    """A convolution with a Relu, a pool, a branch with an Add, and a dense layer."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("MaxPool", ["r"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Relu", ["p"], ["q"], name="other"),
        helper.make_node("Add", ["p", "q"], ["a"], name="add"),
        helper.make_node("Flatten", ["a"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "v"], ["y"], name="dense"),
    ]
    constants = [
        numpy_helper.from_array(np.ones(shape, np.float32), name)
        for name, shape in (("w", (2, 2, 3, 3)), ("v", (8, 3)))
    ]
    specs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 2, 4, 4]), ("y", ["N", 3]))
    ]
    graph = helper.make_graph(nodes, "net", specs[:1], specs[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_an_activation_goes_with_the_operator_that_it_alone_reads():
    units = units_of(Graph.of(network()), quantizable_types(), {"conv": 0.5, "relu": 0.25})
    assert {unit.name: unit.nodes for unit in units} == {
        "conv": ("conv", "relu"),
        "other": ("other",),
        "add": ("add",),
        "dense": ("dense",),
    }
    assert units[0].time_share == 0.75
    assert (units[0].weight_bytes, units[-1].weight_bytes) == (4 * 36, 4 * 24)


def test_shares_of_time_add_up_over_the_nodes(tmp_path):
    onnx.save(network(), tmp_path / "net.onnx")
    shares = time_shares(tmp_path / "net.onnx", {"x": np.ones((2, 2, 4, 4), np.float32)}, 1)
    assert {"conv", "add", "dense"} <= shares.keys()
    assert abs(sum(shares.values()) - 1) < 1e-9
