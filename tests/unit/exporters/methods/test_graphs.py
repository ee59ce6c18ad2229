"""The methods on small networks: what they change, what they leave alone, what they refuse."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.methods.addends import split_addends
from crossrt.exporters.quantizers.methods.clips import seen_clips
from crossrt.exporters.quantizers.methods.equalization import equalize, pairs_of
from crossrt.exporters.quantizers.methods.layers import layers_of, name_nodes
from crossrt.exporters.quantizers.methods.patches import rows_of
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxStatic

SAMPLES = 300


def constant(name, *shape, seed=0, size=0.3):
    values = np.random.default_rng(seed).normal(0, size, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


def model_of(nodes, constants, shapes, channels=3):
    """A network over images of 8x8, with the shapes of what is inside."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", channels, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])],
        constants,
        value_info=[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    return onnx.shape_inference.infer_shapes(model)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs, [output], name=output, **attributes)


@pytest.fixture
def chain():
    """Conv, depthwise Conv, MaxPool, then a Gemm over the flattened channels: all that scales pass through."""
    nodes = [
        node("Conv", ["image", "w1", "b1"], "c1", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2", "b2"], "c2", group=6, strides=[2, 2]),
        node("LeakyRelu", ["c2"], "r2"),
        node("MaxPool", ["r2"], "pool", kernel_shape=[3, 3]),
        node("Transpose", ["pool"], "nhwc", perm=[0, 2, 3, 1]),
        node("Reshape", ["nhwc", "flat"], "hidden"),
        node("Gemm", ["hidden", "w3", "b3"], "d1"),
        node("Relu", ["d1"], "r3"),
        node("Gemm", ["r3", "w4", "b4"], "logits", transB=1),
    ]
    constants = [
        *(constant("w1", 6, 3, 3, 3), constant("b1", 6, seed=1), constant("w2", 6, 1, 3, 3, seed=2)),
        *(constant("b2", 6, seed=3), numpy_helper.from_array(np.array([-1, 6]), "flat")),
        *(constant("w3", 6, 9, seed=4), constant("b3", 9, seed=5)),
        *(constant("w4", 4, 9, seed=6), constant("b4", 4, seed=7)),
    ]
    return model_of(nodes, constants, {"hidden": ["batch", 6]})


def answers(model, images):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


def pictures(count=SAMPLES, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, channels, 8, 8)).astype(np.float32)


def scaled_apart(model, first, second, factors):
    """The same function, with channels of one layer scaled and taken back in the next."""
    found = {each.name: each for each in model.graph.initializer}
    for name, by in ((f"w{first}", factors), (f"b{first}", factors)):
        values = numpy_helper.to_array(found[name])
        laid = by.reshape(-1, *[1] * (values.ndim - 1))
        found[name].CopyFrom(numpy_helper.from_array((values * laid).astype(np.float32), name))
    values = numpy_helper.to_array(found[f"w{second}"])
    back = 1 / (factors.reshape(-1, 1, 1, 1) if values.shape[1] == 1 else factors.reshape(1, -1, 1, 1))
    found[f"w{second}"].CopyFrom(numpy_helper.from_array((values * back).astype(np.float32), f"w{second}"))
    return model


def test_equalizing_leaves_the_function_as_it_is_and_makes_ranges_equal(chain):
    images = pictures(20)
    exact = answers(chain, images)
    model = ir.from_proto(chain)
    assert equalize(model) == 3
    assert np.abs(answers(ir.to_proto(model), images) - exact).max() <= 1e-5 * np.abs(exact).max()
    for pair in pairs_of(model):
        weights = pair.second.values
        if pair.second.node.op_type == "Conv" and weights.shape[1] == 1:
            before = np.abs(pair.first.values).max(axis=(1, 2, 3))
            assert before == pytest.approx(np.abs(weights).max(axis=(1, 2, 3)), rel=0.01)


def test_scales_of_the_paper_for_one_pair():
    nodes = [
        node("Conv", ["image", "w1", "b1"], "c1"),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2", "b2"], "c2"),
        node("GlobalAveragePool", ["c2"], "pool"),
        node("Flatten", ["pool"], "logits"),
    ]
    weights = [constant("w1", 5, 3, 3, 3), constant("w2", 4, 5, 3, 3, seed=2)]
    model = ir.from_proto(model_of(nodes, [*weights, constant("b1", 5, seed=1), constant("b2", 4, seed=3)], {}))
    w1, w2 = (numpy_helper.to_array(each) for each in weights)
    r1, r2 = np.abs(w1).max(axis=(1, 2, 3)), np.abs(w2).max(axis=(0, 2, 3))
    scales = np.sqrt(r1 * r2) / r2  # equation 11
    assert equalize(model) == 1
    first, second = layers_of(model)
    assert first.values == pytest.approx(w1 / scales[:, None, None, None], rel=1e-5)
    assert second.values == pytest.approx(w2 * scales[None, :, None, None], rel=1e-5)


def test_what_others_read_too_is_not_scaled(chain):
    chain.graph.node[3].input[0] = "r1"  # the depthwise Conv and its activation both read the first
    chain.graph.node[3].output[0] = "unused"
    chain.graph.node[4].input[0] = "c2"
    del chain.graph.value_info[:]
    model = ir.from_proto(onnx.shape_inference.infer_shapes(chain))
    assert {pair.first.name for pair in pairs_of(model)} == {"c2", "d1"}


@pytest.fixture
def quantized(tmp_path, make_calibration):
    """Quantizes a model by a recipe; loads the result."""

    def run(model, recipe, count=SAMPLES, channels=3):
        scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        onnx.save(model, scratch / "in.onnx")
        calibration = make_calibration(pictures(count, channels))
        OnnxQuantizer(scratch / "in.onnx", scratch, calibration).quantize(recipe, scratch / "out.onnx")
        return onnx.load(scratch / "out.onnx")

    return run


def noise(model, exact, images):
    return float(np.square(answers(model, images) - exact).sum() / np.square(exact).sum())


def test_equalizing_repairs_channels_that_were_scaled_apart(chain, quantized):
    factors = np.array([300, 1, 0.01, 20, 0.1, 3])
    images = pictures(100, seed=1)
    exact = answers(chain, images)
    apart = scaled_apart(chain, 1, 2, factors)
    assert noise(apart, exact, images) < 1e-6
    plain = noise(quantized(apart, OnnxStatic()), exact, images)
    repaired = noise(quantized(apart, OnnxStatic(equalize=True)), exact, images)
    assert plain > 0.05
    assert repaired < 0.01


def with_clip(chain, limit):
    """The chain with a Clip from 0 in place of its first Relu."""
    chain.graph.node[1].CopyFrom(node("Clip", ["c1", "zero", "limit"], "r1"))
    return with_limits(chain, limit)


def with_limits(model, limit):
    limits = (("zero", 0), ("limit", limit))
    model.graph.initializer.extend(numpy_helper.from_array(np.float32(each), name) for name, each in limits)
    return model


def test_equalizing_passes_a_clip_that_cuts_nothing_off(chain, quantized):
    images = pictures(100, seed=1)
    clipped = with_clip(scaled_apart(chain, 1, 2, np.array([300, 1, 0.01, 20, 0.1, 3])), 1e4)
    exact = answers(clipped, images)
    found = quantized(clipped, OnnxStatic(equalize=True))
    assert "Clip" not in {each.op_type for each in found.graph.node}
    assert noise(found, exact, images) < 0.01


def test_no_scale_passes_a_clip_that_cuts_off():
    names = (("w1", (4, 3, 3, 3)), ("w2", (4, 4, 3, 3)))
    nodes = [
        node("Conv", ["image", "w1"], "c1"),
        node("Clip", ["c1", "zero", "limit"], "r6"),
        node("Conv", ["r6", "w2"], "c2"),
    ]
    model = model_of(nodes, [constant(name, *shape, seed=len(shape)) for name, shape in names], {})
    model = with_limits(model, 0.5)
    clips = seen_clips(ir.from_proto(model), lambda: [{"image": pictures(20)}])
    assert clips[0].cuts
    with pytest.raises(UnfitRecipeError, match=r"Clip r6 cuts off at 0.5 what reaches .* in the calibration samples"):
        equalize(ir.from_proto(model), clips)


@pytest.mark.parametrize(
    "fields", [{}, {"weight_type": "int4"}, {"activation_type": "int8"}, {"activation_type": "uint16"}]
)
def test_corrected_biases_take_the_mean_error_of_deployed_answers_away(chain, quantized, fields):
    images = pictures()
    exact = answers(chain, images)
    recipe = OnnxStatic(quantize_outputs=False, calibration_samples=SAMPLES, **fields)
    means = []
    for corrects in (False, True):
        found = quantized(chain, OnnxStatic(**{**_fields(recipe), "bias_correction": corrects}))
        means.append(np.abs((answers(found, images) - exact).mean(axis=0)).max())
    assert means[1] < 0.2 * means[0] or means[1] < 1e-4


@pytest.mark.parametrize("activation_type", ["uint8", "uint16"])
def test_a_bias_that_an_add_behind_a_matmul_adds_is_corrected(quantized, activation_type):
    nodes = [
        node("Reshape", ["image", "tokens"], "rows"),
        node("MatMul", ["rows", "w1"], "m1"),
        node("Add", ["m1", "b1"], "a1"),
        node("ReduceMean", ["a1", "axes"], "logits", keepdims=0),
    ]
    constants = [constant("w1", 24, 4, seed=1), constant("b1", 4, seed=2)]
    constants += [
        numpy_helper.from_array(np.array(each), name) for name, each in (("tokens", [0, 8, 24]), ("axes", [1]))
    ]
    model = model_of(nodes, constants, {"m1": ["batch", 8, 4]})
    images = pictures()
    exact = answers(model, images)
    fields, found = {"activation_type": activation_type, "weight_type": "int4"}, []
    for corrects in (False, True):
        recipe = OnnxStatic(**fields, bias_correction=corrects, calibration_samples=SAMPLES)
        found.append(np.abs((answers(quantized(model, recipe), images) - exact).mean(axis=0)).max())
    assert found[1] < 0.3 * found[0]


def _fields(recipe):
    return {name: getattr(recipe, name) for name in recipe.__struct_fields__}


def test_a_layer_without_a_bias_gets_one(chain, quantized):
    del chain.graph.node[2].input[2]
    found = quantized(chain, OnnxStatic(bias_correction=True, weight_type="int4"))
    conv = next(each for each in found.graph.node if each.name == "c2")
    assert len(conv.input) == 3
    assert noise(found, answers(chain, pictures()), pictures()) < 0.1


def residual():
    """A MatMul without a bias whose result is added to the model's own input, which becomes a Gemm of three inputs."""
    nodes = [
        node("ReduceMean", ["image", "axes"], "rows", keepdims=0),
        node("MatMul", ["rows", "w1"], "m1"),
        node("Add", ["m1", "rows"], "logits"),
    ]
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    return model_of(nodes, [constant("w1", 4, 4, seed=1), axes], {"m1": ["batch", 4]}, channels=4)


def test_what_a_residual_connection_adds_is_no_bias_and_its_layer_gets_one(quantized):
    recipe = {"weight_type": "int4", "calibration_samples": SAMPLES, "quantize_outputs": False}
    images, off = pictures(channels=4), []
    exact = answers(residual(), images)
    for corrects in (False, True):
        found = quantized(residual(), OnnxStatic(**recipe, bias_correction=corrects), channels=4)
        off.append(np.abs((answers(found, images) - exact).mean(axis=0)).max())
    gemm = next(each for each in found.graph.node if each.op_type == "Gemm")
    assert gemm.input[2].endswith("_corrected_bias")
    assert off[1] < 0.5 * off[0]


def test_a_layer_that_adds_what_the_model_computes_is_not_equalized(chain):
    def firsts():
        return {pair.first.name for pair in pairs_of(ir.from_proto(onnx.shape_inference.infer_shapes(chain)))}

    assert "d1" in firsts()
    gemm = next(each for each in chain.graph.node if each.name == "d1")
    chain.graph.node.insert(list(chain.graph.node).index(gemm), node("Relu", [gemm.input[2]], "computed"))
    gemm.input[2] = "computed"
    assert "d1" not in firsts()


def test_splitting_a_sum_off_a_gemm_leaves_the_function_as_it_is():
    nodes = [
        node("ReduceMean", ["image", "axes"], "rows", keepdims=0),
        node("Slice", ["rows", "zero", "one", "last"], "first"),
        node("Gemm", ["rows", "w1", "first"], "logits"),
    ]
    numbers = {"axes": [2, 3], "zero": [0], "one": [1], "last": [1]}
    constants = [numpy_helper.from_array(np.array(each), name) for name, each in numbers.items()]
    before = model_of(nodes, [constant("w1", 3, 4), *constants], {})
    model = ir.from_proto(before)
    split_addends(model)
    after = ir.to_proto(model)
    assert [each.op_type for each in after.graph.node] == ["ReduceMean", "Slice", "Gemm", "Add"]
    assert not any(layer.adds_tensor for layer in layers_of(model))
    np.testing.assert_allclose(answers(after, pictures()), answers(before, pictures()), rtol=1e-5)


@pytest.mark.parametrize("how", ["gpfq", "adaround"])
def test_weights_rounded_anew_bring_the_answers_nearer(chain, quantized, how):
    images = pictures(100, seed=1)
    exact = answers(chain, images)
    recipe = {"weight_type": "int4", "per_channel": True, "quantize_outputs": False}
    plain = noise(quantized(chain, OnnxStatic(**recipe)), exact, images)
    assert noise(quantized(chain, OnnxStatic(**recipe, weight_rounding=how)), exact, images) < 0.8 * plain


def test_outputs_in_float_have_no_quantizer_in_front(chain, quantized):
    found = quantized(chain, OnnxStatic(quantize_outputs=False))
    maker = next(each for each in found.graph.node if "logits" in each.output)
    assert maker.op_type == "Gemm"
    assert [each.name for each in found.graph.output] == ["logits"]
    images = pictures(100, seed=1)
    exact = answers(chain, images)
    assert noise(found, exact, images) < noise(quantized(chain, OnnxStatic()), exact, images)


def test_clipped_weights_have_smaller_scales(chain, quantized):
    plain, clipped = (
        {each.name: numpy_helper.to_array(each) for each in quantized(chain, recipe).graph.initializer}
        for recipe in (OnnxStatic(), OnnxStatic(weight_ranges="percentile", weight_percentile=90))
    )
    assert clipped["w1_scale"] < 0.9 * plain["w1_scale"]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (OnnxStatic(equalize=True), "finds no two layers to equalize"),
        (OnnxStatic(quantize_outputs=False), "quantize_outputs = false changes nothing"),
        (OnnxStatic(bias_correction=True, op_types_to_quantize=("GlobalMaxPool",)), "finds no bias to correct"),
        (OnnxStatic(weight_rounding="gpfq", op_types_to_quantize=("GlobalMaxPool",)), "finds no Conv, Gemm or MatMul"),
        (OnnxStatic(weight_ranges="percentile", weight_percentile=100), "weight_ranges = percentile cuts nothing off"),
        (
            OnnxStatic(weight_rounding="adaround", calibration_samples=1),
            "at least 64 rows of inputs of each layer, and finds 36 of conv: give more",
        ),
    ],
)
def test_a_method_that_does_not_apply_is_an_error(quantized, recipe, message):
    nodes = [
        node("Conv", ["image", "w"], "conv"),
        node("GlobalMaxPool", ["conv"], "pool"),
        node("Flatten", ["pool"], "logits"),
    ]
    with pytest.raises(UnfitRecipeError, match=message):
        quantized(model_of(nodes, [constant("w", 4, 3, 3, 3)], {}), recipe)


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [1, 0, 2, 1]},
        {"strides": [2, 3], "dilations": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"},
        {"group": 2},
    ],
    ids=str,
)
def test_rows_of_a_convolution_give_its_sums(attributes):
    groups = attributes.get("group", 1)
    nodes = [node("Conv", ["image", "w"], "conv", **attributes)]
    proto = model_of(nodes, [constant("w", 6, 4 // groups, 3, 2)], {}, channels=4)
    proto.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="conv"))
    images = pictures(5, channels=4)
    expected = answers(proto, images)
    (layer,) = layers_of(ir.from_proto(proto))
    sums = rows_of(layer, images) @ layer.matrices(layer.values).transpose(0, 2, 1)
    found = sums.reshape(groups, 5, *expected.shape[2:], -1).transpose(1, 0, 4, 2, 3).reshape(expected.shape)
    assert found == pytest.approx(expected, abs=1e-5)


def test_nodes_without_a_name_of_their_own_get_one(chain):
    for each in chain.graph.node[:4]:
        each.name = "" if each.op_type == "Relu" else "same"
    model = ir.from_proto(chain)
    name_nodes(model)
    names = [each.name for each in model.graph]
    assert "" not in names
    assert len(set(names)) == len(names)
