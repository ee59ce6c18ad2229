"""Weights in groups: what each solver minimizes, how the file holds it, and which dense layers are found."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError
from crossrt.exporters.quantizers.ort.gptq import gptq
from crossrt.exporters.quantizers.ort.groups import Grid, half_quadratic_grid, in_groups, k_quant_grid, nearest_grid
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxWeightOnly
from crossrt.exporters.recipes.rules import impossible

ALGORITHMS = ("rtn", "k-quant", "hqq", "gptq")
INPUT = TensorSpec(name="x", dtype="float32", shape=("N", 100))


def weights(inputs=100, outputs=10, seed=0):
    return np.random.default_rng(seed).standard_t(5, (inputs, outputs)).astype(np.float32) / 10


def rows(count, inputs=100, seed=1):
    """Rows whose values depend on each other, as those of activations do."""
    mixing = np.random.default_rng(0).normal(0, inputs**-0.5, (inputs, inputs))
    return (np.random.default_rng(seed).normal(0, 1, (count, inputs)) @ mixing).astype(np.float32)


@pytest.fixture
def layer(tmp_path):
    """Writes one dense layer, as a MatMul or as a Gemm with some attributes."""

    def write(kind="MatMul", weight=None, **attributes):
        weight = weights() if weight is None else weight
        bias = np.linspace(-1, 1, 10, dtype=np.float32)
        stored = weight.T if attributes.get("transB") else weight
        constants = [numpy_helper.from_array(np.ascontiguousarray(stored), "w"), numpy_helper.from_array(bias, "b")]
        names = ["x", "w", "b"] if kind == "Gemm" else ["x", "w"]
        node = helper.make_node(kind, names, ["y"], **attributes)
        graph = helper.make_graph(
            [node],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 100])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
            constants[: len(names) - 1],
        )
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
        onnx.save(model, tmp_path / "float.onnx")
        return tmp_path / "float.onnx"

    return write


@pytest.fixture
def quantized(tmp_path, make_calibration):
    """Quantizes a file; gives the answers of both and the new model."""

    def run(path, recipe, samples=500):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        calibration = make_calibration({"x": rows(samples)}, (INPUT,))
        OnnxQuantizer(path, scratch, calibration).quantize(recipe, tmp_path / "out.onnx")
        sessions = [
            onnxruntime.InferenceSession(str(each), providers=["CPUExecutionProvider"])
            for each in (path, tmp_path / "out.onnx")
        ]
        exact, found = (session.run(None, {"x": rows(200, seed=2)})[0] for session in sessions)
        return exact, found, onnx.load(tmp_path / "out.onnx")

    return run


def decibels(exact, found):
    return 10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum())


def recipe_of(algorithm, **fields):
    return OnnxWeightOnly(algorithm=algorithm, weight_symmetric=False, **fields)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("block_size", [16, 32, 128])
def test_a_layer_with_any_number_of_groups_answers_nearly_alike(layer, quantized, algorithm, block_size):
    """100 inputs are 7 groups of 16, 4 of 32 and 1 of 128: odd and even, none filled."""
    exact, found, model = quantized(layer(), recipe_of(algorithm, block_size=block_size))
    assert [node.op_type for node in model.graph.node] == ["MatMulNBits"]
    assert decibels(exact, found) > 17
    assert not any(each.name == "w" for each in model.graph.initializer)


@pytest.mark.parametrize("algorithm", ["rtn", "k-quant", "gptq"])
def test_eight_bits_are_finer_than_four(layer, quantized, algorithm):
    path = layer()
    coarse, fine = (decibels(*quantized(path, recipe_of(algorithm, bits=bits))[:2]) for bits in (4, 8))
    assert fine > coarse + 18  # 24 dB are expected of four bits


def test_solvers_do_better_than_rounding(layer, quantized):
    path = layer()
    found = {each: decibels(*quantized(path, recipe_of(each))[:2]) for each in ALGORITHMS}
    assert found["gptq"] > found["rtn"] + 2
    assert found["k-quant"] > found["rtn"]


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"alpha": 0.5, "beta": 2.0}])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_gemm_is_split_and_quantized(layer, quantized, algorithm, attributes):
    exact, found, model = quantized(
        layer("Gemm", **attributes), recipe_of(algorithm, bits=4 if algorithm == "hqq" else 8)
    )
    assert [node.op_type for node in model.graph.node] == ["MatMulNBits", "Add"]
    assert decibels(exact, found) > (20 if algorithm == "hqq" else 40)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_gemm_stays_where_it_is_not_to_be_split(layer, quantized, algorithm):
    with pytest.raises(NothingToQuantizeError, match="Gemm"):
        quantized(layer("Gemm"), recipe_of(algorithm, gemm_to_matmul=False))


def test_a_model_without_a_matrix_product_says_so(layer, quantized, network, tmp_path):
    model = onnx.load(layer())
    model.graph.node[0].op_type = "Mul"
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((1, 100), np.float32), "w"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 100
    onnx.save(model, tmp_path / "float.onnx")
    with pytest.raises(NothingToQuantizeError, match=r"matrix products \(MatMul, Gemm\).*operators are Mul"):
        quantized(tmp_path / "float.onnx", recipe_of("k-quant"))


def test_gptq_asks_for_as_many_rows_as_a_weight_has_inputs(layer, quantized):
    with pytest.raises(
        UnfitRecipeError, match=r"has 100 inputs and gets 60 rows \(calibration samples: 60\); bring 100 samples"
    ):
        quantized(layer(), recipe_of("gptq"), samples=60)


def test_a_node_without_a_name_cannot_be_excluded_by_a_wrong_one(layer, quantized):
    with pytest.raises(ExportError, match="nodes_to_exclude names dense; the model's nodes are MatMul_0"):
        quantized(layer(), recipe_of("k-quant", nodes_to_exclude=("dense",)))


@pytest.mark.parametrize("algorithm", ["k-quant", "hqq"])
def test_solvers_that_find_zero_points_refuse_symmetric_weights(algorithm):
    assert "weight_symmetric = false" in impossible(OnnxWeightOnly(algorithm=algorithm))
    assert impossible(recipe_of(algorithm)) is None


def test_hqq_is_for_four_bits():
    assert "set bits = 4" in impossible(recipe_of("hqq", bits=8))


@pytest.mark.parametrize("bits", [4, 8])
def test_k_quant_never_has_more_weighted_error_than_rounding(bits):
    groups = in_groups(weights(256, 40), 32)
    importance = np.abs(groups) + np.sqrt(np.mean(groups**2, axis=-1, keepdims=True))
    plain, found = nearest_grid(groups, bits, is_symmetric=False), k_quant_grid(groups, bits)
    assert (found.error(groups, importance) <= plain.error(groups, importance)).all()
    assert found.error(groups, importance).sum() < 0.95 * plain.error(groups, importance).sum()


@pytest.mark.parametrize("solve", [k_quant_grid, lambda groups, bits: nearest_grid(groups, bits, is_symmetric=False)])
@pytest.mark.parametrize("low", [0.5, -1.5, 0.0])
def test_groups_that_lie_on_one_side_of_zero_keep_their_values(solve, low):
    """A range without zero has no zero point: it is widened, and a group of zeros stays one."""
    groups = np.linspace(low, low + 1, 32).reshape(1, 1, 32)
    for each in (groups, np.zeros((1, 1, 32))):
        grid = solve(each, 8)
        np.testing.assert_allclose(grid.values(grid.integers(each)), each, atol=0.005)


def test_the_half_quadratic_solver_lowers_the_mean_error():
    """Of weights with few outliers, as it is meant for: its own measure is below that of where it starts."""
    groups = in_groups(weights(256, 40), 64)
    low, high = groups.min(axis=-1, keepdims=True), groups.max(axis=-1, keepdims=True)
    scale = (high - low) / 15
    start, found = Grid(scale=scale, zero_point=np.rint(-low / scale), bits=4), half_quadratic_grid(groups, 4)
    errors = [np.abs(groups - each.values(each.integers(groups))).mean() for each in (start, found)]
    assert errors[1] < 0.97 * errors[0]
    np.testing.assert_allclose(found.scale, scale, rtol=1e-6)


def plain_gptq(weight, hessian, bits, size):
    """Optimal brain quantization in a fixed order, as Frantar et al. 2022 derive it (equations 2 and 3): after each
    input the inverse Hessian of those that are left follows by one step of Gaussian elimination."""
    left = weight.T.astype(np.float64)
    damped = hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    inverse, values = np.linalg.inv(damped), np.zeros_like(left)
    for place in range(left.shape[1]):
        if place % size == 0:
            grid = nearest_grid(left[:, place : place + size], bits, is_symmetric=False)
        column = left[:, place : place + 1].copy()
        values[:, place : place + 1] = grid.values(grid.integers(column))
        left -= (column - values[:, place : place + 1]) / inverse[place, place] * inverse[place]
        inverse = inverse - np.outer(inverse[:, place], inverse[place]) / inverse[place, place]
    return values


def test_gptq_is_optimal_brain_quantization_in_order():
    """300 inputs are three lazy blocks, whose borders groups of 32 meet and groups of 96 cross."""
    weight, seen = weights(300, 6), rows(600, 300).astype(np.float64)
    hessian = 2 * seen.T @ seen
    for size in (32, 96):
        integers, grid = gptq(weight, hessian, 4, size, is_symmetric=False)
        found = grid.values(integers).reshape(6, -1)[:, :300]
        np.testing.assert_allclose(found, plain_gptq(weight, hessian, 4, size), atol=1e-9)


def test_gptq_rounds_weights_of_inputs_that_are_always_zero():
    weight, seen = weights(), rows(300).astype(np.float64)
    seen[:, 7] = 0
    integers, grid = gptq(weight, 2 * seen.T @ seen, 8, 128, is_symmetric=False)
    found = grid.values(integers).reshape(10, -1)[:, 7]
    np.testing.assert_allclose(found, weight[7], atol=float(grid.scale.max()))
