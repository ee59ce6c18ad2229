"""Peak memory of activations: the bound by liveness, and LiteRT's own arena."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.tensor import batching_of
from crossrt.exporters.inspect import inspect_model
from crossrt.exporters.sources.activation_memory import Step, activation_peak
from crossrt.exporters.sources.onnx_memory import onnx_activation_peak
from crossrt.exporters.sources.onnx_tensors import signature_of
from crossrt.runtimes import conformance

MODELS = Path(conformance.__file__).parent / "models"
SIZES = {"x": 10, "a": 40, "b": 20, "c": 5, "y": 1}


def step(name, inputs, outputs, *, shares=False):
    return Step(name=name, inputs=inputs.split(), outputs=outputs.split(), shares=shares)


def test_the_peak_is_the_largest_sum_of_living_tensors():
    chain = [step("one", "x", "a"), step("two", "a", "b"), step("three", "b", "c"), step("four", "c", "y")]
    found = activation_peak(chain, SIZES, ["x"], ["y"])
    assert (found.size_bytes, found.at) == (70, "two")


def test_a_tensor_that_is_read_late_lives_until_then():
    skip = [step("one", "x", "a"), step("two", "a", "b"), step("three", "b", "c"), step("four", "c a", "y")]
    assert activation_peak(skip, SIZES, ["x"], ["y"]).size_bytes == 75


def test_a_tensor_that_reshapes_another_takes_no_memory_of_its_own():
    chain = [step("one", "x", "a"), step("reshape", "a", "b", shares=True), step("two", "b", "y")]
    assert activation_peak(chain, SIZES, ["x"], ["y"]).size_bytes == 51


def test_a_tensor_that_is_never_stored_counts_as_the_one_in_its_place():
    chain = [step("one", "x", "a"), step("quantize", "a", "c"), step("two", "c", "y")]
    assert activation_peak(chain, SIZES, ["x"], ["y"], {"a": "c"}).size_bytes == 16


def test_without_operators_there_is_no_peak():
    assert activation_peak([], SIZES, ["x"], ["x"]) is None


def network(path, *nodes, width="N", **arrays):
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [width, size]) for name, size in (("x", 64), ("y", 8))
    ]
    initializers = [numpy_helper.from_array(np.asarray(values), name) for name, values in arrays.items()]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])


def peak_of(model):
    return onnx_activation_peak(model, batching_of(signature_of(model).inputs))


W = {"w": np.ones((64, 32), np.float32), "v": np.ones((32, 8), np.float32)}


def test_a_chain_in_onnx_counts_inputs_results_and_activations_in_place(tmp_path):
    nodes = (
        helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"], name="second"),
    )
    assert peak_of(network(tmp_path, *nodes, **W)).size_bytes == 4 * (64 + 32 + 8)
    assert peak_of(network(tmp_path, *reversed(nodes), **W)).at == "MatMul second"  # appended where not due


def test_conversions_to_eight_bits_are_part_of_the_operators_beside_them(tmp_path):
    scales = {"s": np.float32(0.1), "z": np.uint8(0)}
    model = network(
        tmp_path,
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("QuantizeLinear", ["h", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
        **W,
        **scales,
    )
    assert peak_of(model).size_bytes == 4 * 64 + 32 + 4 * 8


def test_an_activation_before_a_conversion_to_eight_bits_is_part_of_the_same_kernel(tmp_path):
    scales = {"s": np.float32(0.1), "z": np.uint8(0)}
    model = network(
        tmp_path,
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
        **W,
        **scales,
    )
    assert peak_of(model).size_bytes == 4 * 64 + 32 + 4 * 8


def test_unknown_sizes_and_operators_give_no_figure(tmp_path):
    unknown = network(tmp_path, helper.make_node("Odd", ["x", "w"], ["y"], domain="com.microsoft"), **W)
    assert peak_of(unknown) is None
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    free = network(tmp_path, node, **W)
    free.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "M"
    assert peak_of(free) is None


@pytest.mark.parametrize("name", ["dense.int8-io", "fixed.fp32", "image.fp32", "pair.fp32", "signatures.fp32"])
def test_litert_plans_no_arena_smaller_than_the_bound(name):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    path = MODELS / f"{name}.tflite" / "model.tflite"
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    made = {int(index) for each in interpreter._get_ops_details() for index in each["outputs"]}
    made |= {int(each["index"]) for each in interpreter.get_input_details()}
    views = [interpreter.tensor(index)() for index in made]
    starts = [each.__array_interface__["data"][0] for each in views]
    arena = max(start + each.nbytes for start, each in zip(starts, views, strict=True)) - min(starts)
    assert 0 < inspect_model(path).activation_bytes <= arena
