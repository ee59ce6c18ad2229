"""Block reconstruction: gradients of operators, blocks of a graph, and rounding that is learned for whole blocks."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.blocks import learning, windows
from crossrt.exporters.quantizers.methods.blocks.learning import BlockError, Examples, Weights, learn
from crossrt.exporters.quantizers.methods.blocks.program import OPERATORS, Program, unknown
from crossrt.exporters.quantizers.methods.blocks.reconstruction import found_blocks, remark
from crossrt.exporters.quantizers.methods.layers import layers_of
from crossrt.exporters.quantizers.methods.rounding import grid_of
from crossrt.exporters.quantizers.methods.sessions import tensors_of
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxStatic

SAMPLES, STEPS = 128, 120
FOUR_BITS = {"weight_type": "int4", "per_channel": True, "quantize_outputs": False}


def values(*shape, seed=0, size=1.0):
    return np.random.default_rng(seed).normal(0, size, shape).astype(np.float32)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


def model_of(nodes, constants, output=("batch", 4)):
    """A network over images of 8x8 with 3 channels."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, output)],
        [numpy_helper.from_array(each, name) for name, each in constants.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    return onnx.shape_inference.infer_shapes(model)


def answers(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


IMAGE = values(2, 4, 7, 6)
CASES = {
    "padded conv": ("Conv", [IMAGE, values(6, 4, 3, 2), values(6)], {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    "conv in groups": ("Conv", [IMAGE, values(6, 2, 2, 3)], {"group": 2, "dilations": [2, 1]}),
    "depthwise conv": ("Conv", [IMAGE, values(4, 1, 3, 3)], {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "conv over a line": ("Conv", [values(2, 4, 9), values(3, 4, 3)], {}),
    "max pool": ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    "average pool": ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1]}),
    "global average": ("GlobalAveragePool", [IMAGE], {}),
    "mean": ("ReduceMean", [IMAGE, np.array([1, -1])], {"keepdims": 0}),
    "gemm": ("Gemm", [values(5, 3), values(4, 3), values(4)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    "product with weights": ("MatMul", [values(2, 5, 3), values(3, 4)], {}),
    "product of two": ("MatMul", [values(2, 1, 5, 3), values(2, 3, 3, 4)], {}),
    "sum of unlike shapes": ("Add", [IMAGE, values(4, 1, 1)], {}),
    "difference": ("Sub", [values(7, 1), IMAGE], {}),
    "element by element": ("Mul", [IMAGE, values(7, 1)], {}),
    "quotient": ("Div", [IMAGE, 2 + np.abs(values(6))], {}),
    "clip": ("Clip", [IMAGE, np.array(-0.5, np.float32), np.array(0.7, np.float32)], {}),
    "relu": ("Relu", [IMAGE], {}),
    "leaky relu": ("LeakyRelu", [IMAGE], {"alpha": 0.2}),
    "softmax": ("Softmax", [IMAGE], {"axis": 1}),
    "sigmoid": ("Sigmoid", [IMAGE], {}),
    "tanh": ("Tanh", [IMAGE], {}),
    "erf": ("Erf", [IMAGE], {}),
    "square root": ("Sqrt", [1 + np.abs(IMAGE)], {}),
    "reciprocal": ("Reciprocal", [1 + np.abs(IMAGE)], {}),
    "negative": ("Neg", [IMAGE], {}),
    "transpose": ("Transpose", [IMAGE], {"perm": [0, 2, 3, 1]}),
    "reshape": ("Reshape", [IMAGE, np.array([0, -1, 6])], {}),
    "flatten": ("Flatten", [IMAGE], {"axis": 2}),
    "identity": ("Identity", [IMAGE], {}),
}


def operator(kind, inputs, attributes):
    """One node as a model, and as it is computed here."""
    names = [f"x{place}" for place in range(len(inputs))]
    proto = helper.make_node(kind, names, ["y"], **attributes)
    types = [helper.np_dtype_to_tensor_dtype(np.asarray(each).dtype) for each in inputs]
    graph = helper.make_graph(
        [proto],
        "one",
        [helper.make_tensor_value_info(*each, None) for each in zip(names, types, strict=True)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    return model, ir.from_proto(model).graph[0], dict(zip(names, inputs, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_operators_compute_what_onnx_runtime_computes(case):
    model, found, feeds = operator(*CASES[case])
    expected = answers(model, feeds)
    result, _ = OPERATORS[found.op_type](found, list(feeds.values()))
    assert result.shape == expected.shape
    assert result == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_finite_differences(case):
    _, found, feeds = operator(*CASES[case])
    inputs = [each.astype(np.float64) if each.dtype == np.float32 else each for each in feeds.values()]
    compute, generator, step = OPERATORS[found.op_type], np.random.default_rng(5), 1e-6
    result, pulls = compute(found, inputs)
    weight = generator.normal(size=result.shape)
    for place, pull in enumerate(pulls):
        gradient = pull(weight)
        assert gradient.shape == inputs[place].shape
        direction = generator.normal(size=inputs[place].shape)
        sides = []
        for sign in (1, -1):
            moved = [*inputs[:place], inputs[place] + sign * step * direction, *inputs[place + 1 :]]
            sides.append((weight * compute(found, moved)[0]).sum())
        assert (gradient * direction).sum() == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("case", [each for each in CASES if "conv" in each])
def test_a_convolution_in_parts_is_the_same(case, monkeypatch):
    _, found, feeds = operator(*CASES[case])
    inputs, weight = list(feeds.values()), values(*OPERATORS["Conv"](found, list(feeds.values()))[0].shape)
    whole, pulls = OPERATORS["Conv"](found, inputs)
    monkeypatch.setattr(windows, "_PATCHES_BYTES", 1)
    parts, pulls_of_parts = OPERATORS["Conv"](found, inputs)
    assert parts == pytest.approx(whole, abs=1e-5)
    for pull, of_parts in zip(pulls, pulls_of_parts, strict=True):
        assert of_parts(weight) == pytest.approx(pull(weight), abs=1e-4)


def test_gradients_pass_rounding_and_stop_where_the_range_ends():
    scale, zero = np.float32(0.5), np.uint8(100)
    _, found, _ = operator("QuantizeLinear", [values(3), scale, zero], {})
    codes, (pull,) = OPERATORS["QuantizeLinear"](found, [np.array([-60.0, -1.3, 1.2, 90.0], np.float32), scale, zero])
    assert codes.tolist() == [0, 97, 102, 255]
    assert pull(np.ones(4, np.float32)).tolist() == [0, 2, 2, 0]


@pytest.fixture
def residual():
    """A stem, a residual block, and two dense layers behind it."""
    nodes = [
        node("Conv", ["image", "w0"], "c0", pads=[1, 1, 1, 1]),
        node("Relu", ["c0"], "r0"),
        node("Conv", ["r0", "w1"], "c1", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2"], "c2", pads=[1, 1, 1, 1]),
        node("Add", ["c2", "r0"], "a2"),
        node("Relu", ["a2"], "r2"),
        node("GlobalAveragePool", ["r2"], "pool"),
        node("Flatten", ["pool"], "flat"),
        node("Gemm", ["flat", "w3", "b3"], "d3"),
        node("Relu", ["d3"], "r3"),
        node("Gemm", ["r3", "w4", "b4"], "logits"),
    ]
    constants = {"w0": values(6, 3, 3, 3, size=0.3), "w3": values(6, 9, seed=3), "w4": values(9, 4, seed=4)}
    constants |= {f"w{place}": values(6, 6, 3, 3, seed=place, size=0.2) for place in (1, 2)}
    return model_of(nodes, constants | {"b3": values(9, seed=5), "b4": values(4, seed=6)})


@pytest.fixture
def quantized(tmp_path, make_calibration):
    """Quantizes a model by a recipe; gives the model as it was prepared, and the result."""

    def run(model, count=SAMPLES, **fields):
        scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        onnx.save(model, scratch / "in.onnx")
        quantizer = OnnxQuantizer(scratch / "in.onnx", scratch, make_calibration(values(count, 3, 8, 8)))
        quantizer.quantize(OnnxStatic(**fields), scratch / "out.onnx")
        return ir.load(quantizer.prepared), ir.load(scratch / "out.onnx")

    return run


def noise(model, exact, images):
    found = answers(ir.to_proto(model), {"image": images})
    return float(np.square(found - exact).sum() / np.square(exact).sum())


def test_a_residual_block_is_one_and_a_chain_is_another(residual, quantized):
    blocks = found_blocks(*quantized(residual, **FOUR_BITS))
    assert [[each.name for each in block.layers] for block in blocks] == [["c0"], ["c1", "c2"], ["d3", "logits"]]
    assert [(block.start.goal, block.end.goal) for block in blocks] == [
        ("image", "r0"),
        ("r0", "r2"),
        ("r2", "logits"),
    ]
    assert not any(block.unknown for block in blocks)


@pytest.mark.parametrize("fields", [{}, {"activation_type": "uint16"}, {"per_channel": False}], ids=str)
def test_a_block_computes_what_the_file_gives(residual, quantized, fields):
    original, found = quantized(residual, **{**FOUR_BITS, **fields})
    block = found_blocks(original, found)[1]
    feeds = [{"image": values(16, 3, 8, 8, seed=9)}]
    ((taken, expected),) = tensors_of(found, [block.start.name, block.end.name], feeds)
    codes = Program(block.nodes).run({block.start.name: taken.astype(np.float32)}).values[block.end.name]
    assert np.abs(codes - expected).max() <= 1
    assert (codes != expected).mean() < 0.01


def problem_of(original, found, place=1):
    block = found_blocks(original, found)[place]
    exact = {each.name: each for each in layers_of(original)}
    feeds = [{"image": values(SAMPLES, 3, 8, 8, seed=1)}]
    ((inputs,),) = tensors_of(found, [block.start.name], feeds)
    ((goals,),) = tensors_of(original, [block.end.goal], feeds)
    layers = [
        Weights(layer=each, exact=exact[each.name].matrices(exact[each.name].values), grid=grid_of(each))
        for each in block.layers
    ]
    return BlockError(block, Examples(inputs=inputs[:, None], goals=goals[:, None])), layers


def total(error, layers, integers):
    return error.total({each.name: each.of(found) for each, found in zip(layers, integers, strict=True)})


def test_learned_integers_lie_beside_the_weights_and_their_block_is_off_less(residual, quantized):
    error, layers = problem_of(*quantized(residual, **FOUR_BITS))
    before = [each.layer.matrices(each.layer.values).astype(np.int64) for each in layers]
    after = learn(error, layers, steps=STEPS)
    assert after is not None
    assert total(error, layers, after) < 0.8 * total(error, layers, before)
    for each, integers in zip(layers, after, strict=True):
        wanted = np.clip(each.exact / each.grid.scale, each.grid.low, each.grid.high)
        assert (np.abs(integers - wanted) < 1 + 1e-5).all()


def test_nothing_is_learned_where_nothing_is_better(residual, quantized):
    error, layers = problem_of(*quantized(residual, **FOUR_BITS))
    assert learn(error, layers, steps=0) is None


def test_a_block_learned_as_a_whole_brings_answers_nearer(residual, quantized, monkeypatch):
    monkeypatch.setattr(learning, "STEPS", STEPS)
    images = values(64, 3, 8, 8, seed=2)
    exact = answers(residual, {"image": images})
    plain, learned = (
        noise(quantized(residual, **FOUR_BITS, weight_rounding=how)[1], exact, images) for how in ("nearest", "brecq")
    )
    assert learned < 0.8 * plain


def with_foreign(residual):
    """The network with an operator in its residual block that no gradients are known of."""
    residual.graph.node[3].CopyFrom(node("Elu", ["c1"], "r1"))
    return residual


def test_layers_beside_an_unknown_operator_are_rounded_one_by_one_and_it_says_so(residual, quantized, monkeypatch):
    monkeypatch.setattr(learning, "STEPS", STEPS)
    original, plain = quantized(with_foreign(residual), **FOUR_BITS)
    _, found = quantized(residual, **FOUR_BITS, weight_rounding="brecq")
    before, after = ({each.name: each.values for each in layers_of(model)} for model in (plain, found))
    changed = {name for name, weights in before.items() if (weights != after[name]).any()}
    assert changed >= {"c0", "c1", "c2"}
    said = remark(original, found)
    assert said is not None
    assert "rounds c1, c2 layer by layer" in said
    assert "no gradients are known of Elu" in said


def test_a_model_without_a_block_of_several_layers_is_an_error(quantized):
    nodes = [
        node("Conv", ["image", "w"], "conv"),
        node("Elu", ["conv"], "elu"),
        node("Conv", ["elu", "w2"], "conv2"),
        node("GlobalMaxPool", ["conv2"], "pool"),
        node("Flatten", ["pool"], "logits"),
    ]
    model = model_of(nodes, {"w": values(4, 3, 3, 3), "w2": values(4, 4, 3, 3)})
    with pytest.raises(UnfitRecipeError, match=r"finds no block of two or more quantized layers .* Elu"):
        quantized(model, weight_rounding="brecq")


def test_too_few_samples_are_an_error(residual, quantized):
    with pytest.raises(UnfitRecipeError, match="at least 64 calibration samples, and finds 10: give more"):
        quantized(residual, count=10, calibration_samples=10, weight_rounding="brecq")


@pytest.mark.parametrize(
    ("proto", "said"),
    [
        (node("Elu", ["x"], "y"), "Elu"),
        (node("MaxPool", ["x"], "y", kernel_shape=[2, 2], ceil_mode=1), "MaxPool with ceil_mode or with indices"),
        (node("Gemm", ["x", "w"], "y", transA=1), "Gemm with transA"),
        (helper.make_node("Relu", ["x"], ["y"], domain="own"), "own.Relu"),
        (node("Relu", ["x"], "y"), None),
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_named(proto, said):
    graph = helper.make_graph([proto], "one", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)], [])
    assert unknown(ir.from_proto(helper.make_model(graph)).graph[0]) == said
