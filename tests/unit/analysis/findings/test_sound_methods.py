"""What methods do to a file that is sound: no check speaks against it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.findings.protocol import run_checks
from crossrt.analysis.findings.reading import read_file

INPUTS, OUTPUTS = 24, 12
SCALES = {"x": (np.float32(0.02), np.uint8), "wide": (np.float32(0.02 / 256), np.uint16)}


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.3, (INPUTS, OUTPUTS)).astype(np.float32)


def scale_of(weights):
    return np.float32(np.abs(weights).max() / 127)


def pair(name, scale, dtype, made, constants):
    """QuantizeLinear and DequantizeLinear of a tensor."""
    constants |= {f"{made}_scale": np.asarray(scale), f"{made}_zero": np.zeros((), dtype)}
    parameters = [f"{made}_scale", f"{made}_zero"]
    return [
        helper.make_node("QuantizeLinear", [name, *parameters], [f"{made}_QuantizeLinear_Output"]),
        helper.make_node(
            "DequantizeLinear", [f"{made}_QuantizeLinear_Output", *parameters], [f"{made}_DequantizeLinear_Output"]
        ),
    ]


def save(path, nodes, constants):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", OUTPUTS])],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), path)
    return path


def quantized(path, weights, bias_scale, *, is_wide):
    scale = scale_of(weights)
    constants = {
        "w_quantized": np.rint(weights / scale).astype(np.int8),
        "w_scale": scale,
        "w_zero": np.int8(0),
        "b_quantized": np.arange(OUTPUTS, dtype=np.int32) * 1000,
        "b_scale": np.float32(bias_scale),
    }
    nodes = pair("x", *SCALES["x"], "x", constants)
    if is_wide:
        nodes += pair("x_DequantizeLinear_Output", *SCALES["wide"], "x_convert", constants)
    nodes += [
        helper.make_node("DequantizeLinear", ["w_quantized", "w_scale", "w_zero"], ["w"]),
        helper.make_node("DequantizeLinear", ["b_quantized", "b_scale"], ["b"]),
        helper.make_node("Gemm", [nodes[-1].output[0], "w", "b"], ["y"], name="dense"),
    ]
    return read_file(save(path, nodes, constants), "onnx")


def float_file(path, weights):
    constants = {"w": weights, "b": np.zeros(OUTPUTS, np.float32)}
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="dense")
    return read_file(save(path, [node], constants), "onnx")


def verdict_of(name, *files):
    (found,) = [each for each in run_checks(*files) if each.name == name]
    return found.severity


@pytest.mark.parametrize(("taken", "is_wide"), [("x", False), ("wide", True)])
def test_the_scale_of_a_bias_goes_with_the_type_that_its_layer_takes(taken, is_wide, weights, tmp_path):
    fitting = SCALES[taken][0] * scale_of(weights)
    other = SCALES["x" if is_wide else "wide"][0] * scale_of(weights)
    assert verdict_of("bias scales", quantized(tmp_path / "a.onnx", weights, fitting, is_wide=is_wide), None) == "ok"
    assert verdict_of("bias scales", quantized(tmp_path / "b.onnx", weights, other, is_wide=is_wide), None) == "wrong"


def factors(count):
    return 10 ** np.random.default_rng(1).uniform(-0.7, 0.7, count)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda weights: weights, "ok"),
        (lambda weights: weights * factors(INPUTS)[:, None], "note"),
        (lambda weights: weights * factors(INPUTS)[:, None] * factors(OUTPUTS), "note"),
        (lambda weights: weights[::-1], "caution"),
    ],
    ids=["as they are", "inputs scaled", "equalized", "another order"],
)
def test_equalized_weights_are_worth_a_note_and_others_a_caution(change, expected, weights, tmp_path):
    changed = np.ascontiguousarray(change(weights), np.float32)
    file = quantized(tmp_path / "a.onnx", changed, SCALES["x"][0] * scale_of(changed), is_wide=False)
    assert verdict_of("float file's weights", file, float_file(tmp_path / "f.onnx", weights)) == expected


@pytest.mark.parametrize(("between", "expected"), [("Reshape", "ok"), ("Sigmoid", "caution")])
def test_conversions_move_over_operators_that_move_values_alone(between, expected, weights, tmp_path):
    scale = scale_of(weights)
    constants = {"w_quantized": np.rint(weights / scale).astype(np.int8), "w_scale": scale, "w_zero": np.int8(0)}
    constants |= {"shape": np.array([-1, INPUTS])}
    moved = ["moved_from"] + (["shape"] if between == "Reshape" else [])
    nodes = pair("x", *SCALES["x"], "x", constants)
    nodes[-1].output[0] = "moved_from"
    nodes += [
        helper.make_node(between, moved, ["moved"]),
        helper.make_node("DequantizeLinear", ["w_quantized", "w_scale", "w_zero"], ["w"]),
        helper.make_node("MatMul", ["moved", "w"], ["y"], name="dense"),
    ]
    assert verdict_of("conversions", read_file(save(tmp_path / "a.onnx", nodes, constants), "onnx"), None) == expected
