"""Nodes that stay in float or get 16-bit activations: in the file, and in the graph that ONNX Runtime makes of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError
from crossrt.exporters.quantizers.ort.prepare import prepare
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic
from crossrt.exporters.recipes.rules import impossible

IMAGE = TensorSpec(name="x", dtype="float32", shape=("N", 4, 8, 8))


def values(name, *shape):
    return numpy_helper.from_array(np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32), name)


@pytest.fixture
def quantizer(tmp_path, make_calibration):
    """Three convolutions, the second one depthwise, and a dense layer, each but the last with a Relu."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="conv_0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"], name="relu_0"),
        helper.make_node("Conv", ["r0", "w1", "b1"], ["c1"], name="conv_1", pads=[1, 1, 1, 1], group=4),
        helper.make_node("Relu", ["c1"], ["r1"], name="relu_1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="conv_2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], name="relu_2"),
        helper.make_node("Flatten", ["r2"], ["flat"], name="flatten"),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"], name="dense"),
    ]
    weights = [values("w0", 4, 4, 3, 3), values("w1", 4, 1, 3, 3), values("w2", 4, 4, 3, 3), values("w3", 256, 3)]
    biases = [values(f"b{place}", 3 if place == 3 else 4) for place in range(4)]
    specs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]),
    ]
    graph = helper.make_graph(nodes, "net", specs[:1], specs[1:], [*weights, *biases])
    path = tmp_path / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    samples = np.random.default_rng(1).random((50, 4, 8, 8), np.float32)
    return OnnxQuantizer(path, tmp_path, make_calibration({"x": samples}, (IMAGE,)))


def loaded(path):
    """What ONNX Runtime makes of a file: how often each operator is there, and its answers."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(path.with_suffix(".optimised.onnx"))
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    session = onnxruntime.InferenceSession(path, options)
    kernels = Counter(node.op_type for node in onnx.load(path.with_suffix(".optimised.onnx")).graph.node)
    return kernels, session.run(None, {"x": np.random.default_rng(2).random((5, 4, 8, 8), np.float32)})[0]


@pytest.mark.parametrize("excluded", [("conv_0", "relu_0"), ("conv_1", "relu_1"), ("conv_2", "relu_2")])
def test_a_convolution_between_integers_stays_in_float_when_the_file_is_loaded(quantizer, tmp_path, excluded):
    quantizer.quantize(OnnxStatic(per_channel=True), tmp_path / "all.onnx")
    quantizer.quantize(OnnxStatic(per_channel=True, nodes_to_exclude=excluded), tmp_path / "mixed.onnx")
    whole, mixed = loaded(tmp_path / "all.onnx")[0], loaded(tmp_path / "mixed.onnx")[0]
    assert (whole["QLinearConv"], whole["Conv"] + whole["FusedConv"]) == (3, 0)
    assert (mixed["QLinearConv"], mixed["Conv"] + mixed["FusedConv"]) == (2, 1)
    onnx.checker.check_model(onnx.load(tmp_path / "mixed.onnx"))


def test_a_dense_layer_stays_in_float_and_answers_as_the_file_says(quantizer, tmp_path):
    quantizer.quantize(OnnxStatic(nodes_to_exclude=("dense",)), tmp_path / "mixed.onnx")
    kernels, found = loaded(tmp_path / "mixed.onnx")
    assert kernels["QGemm"] == 0
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(tmp_path / "mixed.onnx", plain)
    samples = np.random.default_rng(2).random((5, 4, 8, 8), np.float32)
    assert np.allclose(found, session.run(None, {"x": samples})[0], atol=0.02)


def test_a_dense_layer_that_is_excluded_from_dynamic_quantization_stays_in_float(quantizer, tmp_path):
    with pytest.raises(ExportError):
        quantizer.quantize(
            OnnxDynamic(op_types_to_quantize=("MatMul", "Gemm"), nodes_to_exclude=("dense",)), tmp_path / "mixed.onnx"
        )
    quantizer.quantize(OnnxDynamic(op_types_to_quantize=("MatMul", "Gemm")), tmp_path / "all.onnx")
    assert "MatMulInteger" in {node.op_type for node in onnx.load(tmp_path / "all.onnx").graph.node}


def test_activations_of_named_nodes_have_16_bits(quantizer, tmp_path):
    quantizer.quantize(OnnxStatic(nodes_to_16_bit=("conv_1", "relu_1")), tmp_path / "wide.onnx")
    graph = onnx.load(tmp_path / "wide.onnx").graph
    types = {each.name: each.data_type for each in graph.initializer}
    wide = {
        node.input[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and types[node.input[2]] == TensorProto.UINT16
    }
    assert {name for name in wide if name.startswith("r1")}
    assert not {name for name in wide if name.startswith("y")}
    assert loaded(tmp_path / "wide.onnx")[1].shape == (5, 3)


def test_weights_of_named_nodes_have_a_scale_for_each_channel(quantizer, tmp_path):
    recipe = OnnxStatic(nodes_per_channel=("conv_1", "relu_1", "dense"), nodes_to_16_bit=("conv_0",))
    quantizer.quantize(recipe, tmp_path / "mixed.onnx")
    scales = {each.name: tuple(each.dims) for each in onnx.load(tmp_path / "mixed.onnx").graph.initializer}
    assert [scales[f"w{place}_scale"] for place in range(4)] == [(), (4,), (), (3,)]
    assert loaded(tmp_path / "mixed.onnx")[1].shape == (5, 3)
    assert "with per_channel = false" in impossible(OnnxStatic(nodes_per_channel=("a",), per_channel=True))


def test_an_unknown_node_is_named_with_its_option(quantizer, tmp_path):
    with pytest.raises(ExportError, match="nodes_to_16_bit names nobody; the model's nodes are conv_0"):
        quantizer.quantize(OnnxStatic(nodes_to_16_bit=("nobody",)), tmp_path / "wide.onnx")


def test_16_bit_nodes_need_qdq_with_uint8():
    assert "nodes_to_16_bit is for" in impossible(OnnxStatic(nodes_to_16_bit=("a",), activation_type="int8"))
    assert impossible(OnnxStatic(nodes_to_16_bit=("a",))) is None


def test_nodes_without_a_name_get_one(quantizer, tmp_path):
    model = onnx.load(tmp_path / "float.onnx")
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "nameless.onnx")
    prepare(tmp_path / "nameless.onnx", tmp_path / "prepared.onnx")
    names = [node.name for node in onnx.load(tmp_path / "prepared.onnx").graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
