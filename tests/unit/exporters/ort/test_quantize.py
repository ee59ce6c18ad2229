"""Each kind of ONNX recipe over small networks: what is written, what is refused, what is shared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from crossrt.exporters.calibration import Selection
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError
from crossrt.exporters.quantizers.methods.layers import array
from crossrt.exporters.quantizers.ort import calibrate
from crossrt.exporters.quantizers.ort.calibrate import Batches, SharedRanges
from crossrt.exporters.quantizers.ort.known_issues import cost_issues, known_issues
from crossrt.exporters.quantizers.ort.prepare import prepare
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxFloat8, OnnxFloat16, OnnxStatic, OnnxWeightOnly
from crossrt.exporters.sources.onnx_inspection import inspect_onnx

SAMPLES = 250


@pytest.fixture
def quantized(network, tmp_path, make_calibration, images):
    """Quantizes a network and loads the result."""

    def run(recipe, kind="plain", samples=None):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        calibration = make_calibration(images() if samples is None else samples)
        OnnxQuantizer(network(kind), scratch, calibration).quantize(recipe, tmp_path / "out.onnx")
        return onnx.load(tmp_path / "out.onnx")

    return run


def kinds(model):
    return Counter(node.op_type for node in model.graph.node)


def run(path, samples):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": samples})[0]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (OnnxStatic(), {"QuantizeLinear", "DequantizeLinear", "Conv"}),
        (OnnxStatic(quant_format="qoperator"), {"QLinearConv", "QGemm"}),
        (OnnxStatic(activation_type="uint16"), {"QuantizeLinear", "Conv"}),
        (OnnxStatic(weight_type="int4"), {"DequantizeLinear", "Conv"}),
        (OnnxDynamic(), {"DynamicQuantizeLinear", "ConvInteger"}),
        (OnnxWeightOnly(), {"MatMulNBits", "Conv"}),
        (OnnxWeightOnly(bits=8, weight_symmetric=False), {"MatMulNBits", "Conv"}),
        (OnnxFloat16(), {"Cast", "Conv"}),
        (OnnxFloat8(), {"DequantizeLinear", "Conv"}),
        (OnnxFloat8(per_channel=False), {"DequantizeLinear", "Conv"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_writes_what_it_says_and_answers_nearly_alike(
    quantized, network, tmp_path, recipe, expected, images
):
    assert expected <= kinds(quantized(recipe)).keys()
    samples = images(50, seed=1)
    exact, found = run(network(), samples), run(tmp_path / "out.onnx", samples)
    assert np.sqrt(np.square(found - exact).mean()) < 0.25 * exact.std()


def test_fp8_weights_are_the_nearest_e4m3_numbers_of_each_channel(quantized, network):
    tensors = {each.name: numpy_helper.to_array(each) for each in quantized(OnnxFloat8()).graph.initializer}
    exact = {each.name: numpy_helper.to_array(each) for each in onnx.load(network()).graph.initializer}["kernel"]
    codes, scale = tensors["kernel_quantized"], tensors["kernel_scale"]
    assert str(codes.dtype) == "float8_e4m3fn"
    shape = (-1, *[1] * (exact.ndim - 1))
    np.testing.assert_allclose(scale, np.abs(exact).reshape(len(exact), -1).max(axis=1) / 448, rtol=1e-6)
    apart = np.abs(codes.astype(np.float32) * scale.reshape(shape) - exact)
    assert (apart <= np.maximum(np.abs(exact) / 16, scale.reshape(shape) * 2.0**-9) * 1.001).all()
    with pytest.raises(ExportError, match="nodes_to_exclude names nobody"):
        quantized(OnnxFloat8(nodes_to_exclude=("nobody",)))


def test_operator_types_can_be_chosen(quantized):
    found = quantized(OnnxStatic(quant_format="qoperator", op_types_to_quantize=("Conv",)))
    assert "QLinearConv" in kinds(found)
    assert "QGemm" not in kinds(found)


def test_nodes_can_stay_in_float(quantized):
    found = quantized(OnnxStatic(quant_format="qoperator", nodes_to_exclude=("conv",)))
    assert "Conv" in kinds(found)
    assert "QGemm" in kinds(found)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (OnnxStatic(nodes_to_exclude=("nothing",)), "names nothing; the model's nodes are .*conv"),
        (OnnxWeightOnly(nodes_to_exclude=("nothing",)), "names nothing; the model's nodes are"),
        (
            OnnxStatic(op_types_to_quantize=("LSTM",)),
            "it quantizes LSTM only .*, and the model has other operators: Conv",
        ),
        (OnnxWeightOnly(nodes_to_exclude=("dense",)), "holds no quantized weights: it holds .* bytes of float32"),
    ],
)
def test_a_recipe_that_would_change_nothing_is_an_error(quantized, recipe, message):
    with pytest.raises(ExportError, match=message):
        quantized(recipe)


@pytest.mark.parametrize(
    ("recipe", "least", "most"),
    [
        (OnnxStatic(), 1, 1),
        (OnnxStatic(quant_format="qoperator", per_channel=True), 1, 1),
        (OnnxStatic(op_types_to_quantize=("Conv",)), 0.001, 0.2),
        (OnnxDynamic(), 0.9, 0.9999),
        (OnnxFloat16(), 1, 1),
        (OnnxWeightOnly(), 0.5, 0.9999),
    ],
    ids=str,
)
def test_the_share_of_quantized_weights_is_read_from_the_file(
    network, tmp_path, make_calibration, images, recipe, least, most
):
    quantizer = OnnxQuantizer(network(), tmp_path, make_calibration(images(20)))
    share = quantizer.quantize(recipe, tmp_path / "out.onnx")
    assert least <= share <= most
    assert inspect_onnx(tmp_path / "out.onnx").quantization.quantized_share in (share, pytest.approx(share))


@pytest.mark.parametrize("recipe", [OnnxStatic(), OnnxDynamic()], ids=lambda each: type(each).__name__)
def test_zero_points_of_activations_are_no_quantized_weights(tmp_path, make_calibration, images, recipe):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 28, 28, 1])
    halved = helper.make_tensor_value_info("halved", TensorProto.FLOAT, ["batch", 14, 14, 1])
    nodes = [
        helper.make_node("Pow", ["image", "exponent"], ["powered"]),
        helper.make_node("Transpose", ["powered"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("MaxPool", ["channels"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["pooled"], ["halved"], perm=[0, 2, 3, 1]),
    ]
    constants = [numpy_helper.from_array(np.ones(1, np.float32), "exponent")]
    graph = helper.make_graph(nodes, "pool", [image], [halved], constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, tmp_path / "float.onnx")
    quantizer = OnnxQuantizer(tmp_path / "float.onnx", tmp_path, make_calibration(images(20)))
    with pytest.raises(NothingToQuantizeError, match="the file holds no quantized weights"):
        quantizer.quantize(recipe, tmp_path / "out.onnx")


@pytest.mark.parametrize(
    "recipe", [OnnxStatic(), OnnxWeightOnly(), OnnxFloat16()], ids=lambda each: type(each).__name__
)
def test_a_quantized_model_is_not_quantized_again(quantized, tmp_path, recipe):
    quantized(OnnxStatic(calibration_samples=10))
    scratch = tmp_path / "again"
    scratch.mkdir()
    with pytest.raises(ExportError, match="is quantized already"):
        OnnxQuantizer(tmp_path / "out.onnx", scratch).quantize(recipe, tmp_path / "twice.onnx")


def test_calibration_runs_once_for_recipes_that_can_share_it(network, tmp_path, monkeypatch, make_calibration, images):
    found = []
    find = SharedRanges._find
    monkeypatch.setattr(SharedRanges, "_find", lambda self, key: found.append(key) or find(self, key))
    quantizer = OnnxQuantizer(network(), tmp_path, make_calibration(images()))
    for number, recipe in enumerate(
        (OnnxStatic(), OnnxStatic(per_channel=True), OnnxStatic(percentile=99.0), OnnxStatic(calibration_seed=1))
    ):
        quantizer.quantize(recipe, tmp_path / f"{number}.onnx")
    assert [key.samples.seed for key in found] == [0, 1]


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("method", ["minmax", "moving-average", "entropy", "percentile"])
def test_ranges_are_those_of_the_library_over_all_samples_at_once(
    network, tmp_path, method, is_symmetric, make_calibration, images
):
    """For histograms the library keeps every activation; ours does not, and the file is the same to the last byte."""
    recipe = OnnxStatic(calibrate_method=method, calibration_samples=SAMPLES, calibration_symmetric=is_symmetric)
    calibration = make_calibration(images())
    OnnxQuantizer(network(), tmp_path, calibration).quantize(recipe, tmp_path / "ours.onnx")
    prepare(network(), tmp_path / "prepared-again.onnx")
    quantize_static(
        tmp_path / "prepared-again.onnx",
        tmp_path / "theirs.onnx",
        # calls of one length: with others the library's histograms fail
        Batches(calibration.feeds(Selection(SAMPLES, 0))),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=calibrate.METHODS[method],
        extra_options={"CalibMovingAverage": method == "moving-average", "CalibTensorRangeSymmetric": is_symmetric},
    )
    assert (tmp_path / "ours.onnx").read_bytes() == (tmp_path / "theirs.onnx").read_bytes()


def test_samples_that_hold_nan_are_refused(quantized, images):
    samples = images(20)
    samples[3, 5, 5] = np.nan
    with pytest.raises(ExportError, match="calibration samples hold NaN or infinity in image, among samples 0 to 19"):
        quantized(OnnxStatic(), samples=samples)


def test_static_recipes_need_calibration_data_and_others_do_not(network, tmp_path):
    quantizer = OnnxQuantizer(network(), tmp_path)
    with pytest.raises(ExportError, match="needs --calibration DATA"):
        quantizer.quantize(OnnxStatic(), tmp_path / "static.onnx")
    quantizer.quantize(OnnxDynamic(), tmp_path / "dynamic.onnx")
    assert "ConvInteger" in kinds(onnx.load(tmp_path / "dynamic.onnx"))


@pytest.mark.parametrize("method", list(calibrate.METHODS))
def test_one_sample_is_enough(quantized, method):
    assert "QuantizeLinear" in kinds(quantized(OnnxStatic(calibrate_method=method, calibration_samples=1)))


@pytest.mark.parametrize("method", list(calibrate.METHODS))
def test_a_constant_activation_is_quantized_too(quantized, method):
    samples = np.zeros((20, 28, 28, 1), dtype=np.float32)
    assert "QuantizeLinear" in kinds(quantized(OnnxStatic(calibrate_method=method), samples=samples))


SYMMETRIC = OnnxStatic(calibration_symmetric=True)
DISTRIBUTION = OnnxStatic(calibrate_method="distribution")


@pytest.mark.parametrize(
    ("recipe", "kind", "words"),
    [
        (OnnxStatic(), "plain", None),
        (OnnxStatic(), "branched", None),
        (SYMMETRIC, "plain", "Relu is removed while ranges are symmetric"),
        (DISTRIBUTION, "plain", "Relu is removed while ranges are symmetric"),
        (OnnxStatic(calibration_symmetric=True, activation_symmetric=True), "plain", None),
        (OnnxStatic(calibrate_method="distribution", keep_removable_activations=True), "plain", None),
        (OnnxStatic(quant_format="qoperator"), "plain", None),
        (OnnxStatic(quant_format="qoperator"), "branched", "qoperator drops Relu relu behind Conv conv"),
    ],
)
def test_known_issues_are_told_with_their_cure(network, tmp_path, recipe, kind, words):
    prepare(network(kind), tmp_path / "prepared.onnx")
    found = known_issues(recipe, tmp_path / "prepared.onnx")
    assert [words in each for each in found] == [True] if words else found == ()


def passed_on(path, passing, activation):
    """A convolution, an operator that passes its values on, and the activation behind that."""
    kernel = np.random.default_rng(0).normal(0, 0.4, (4, 1, 3, 3)).astype(np.float32)
    constants = {"kernel": kernel, "shape": np.array([0, -1]), "top": np.float32(6), "bottom": np.float32(0)}
    options = {"MaxPool": {"kernel_shape": [2, 2]}, "Transpose": {"perm": [0, 2, 3, 1]}}.get(passing, {})
    behind = ["passed", "bottom", "top"] if activation == "Clip" else ["passed"]
    nodes = [
        helper.make_node("Transpose", ["image"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels", "kernel"], ["conv"], name="conv"),
        helper.make_node(
            passing, ["conv", "shape"][: 1 + (passing == "Reshape")], ["passed"], name="passing", **options
        ),
        helper.make_node(activation, behind, ["out"], name="activation"),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 28, 28, 1])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    values = [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()]
    graph = helper.make_graph(nodes, "net", [image], [out], values)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)


@pytest.mark.parametrize("activation", ["Relu", "Clip"])
@pytest.mark.parametrize("passing", ["MaxPool", "Reshape", "Transpose", "Flatten"])
def test_an_activation_behind_an_operator_that_passes_values_on_is_told_where_it_is_lost(
    tmp_path, make_calibration, images, passing, activation
):
    source, written = tmp_path / "float.onnx", tmp_path / "out.onnx"
    passed_on(source, passing, activation)
    quantizer = OnnxQuantizer(source, tmp_path, make_calibration(images(50)))
    samples, wrong = images(50, seed=1), {}
    for quant_format in ("qdq", "qoperator"):
        recipe = OnnxStatic(quant_format=quant_format, calibration_samples=50)
        quantizer.quantize(recipe, written)
        exact, found = run(source, samples), run(written, samples)
        issues = [each for each in known_issues(recipe, quantizer.prepared, written) if "drops" in each]
        wrong[quant_format] = np.linalg.norm(found - exact) > 0.2 * np.linalg.norm(exact)
        assert bool(issues) == wrong[quant_format]
        assert all(f"drops {activation} " in each and "set quant_format = qdq" in each for each in issues)
    assert not wrong["qdq"]
    assert wrong["qoperator"] or passing == "Flatten"  # which it leaves in float


@pytest.mark.parametrize(("recipe", "kind"), [(SYMMETRIC, "plain"), (DISTRIBUTION, "plain")])
def test_what_the_known_issues_warn_of_really_happens(quantized, network, tmp_path, recipe, kind, images):
    quantized(recipe, kind)
    samples = images(200, seed=1)
    exact, wrong = run(network(kind), samples), run(tmp_path / "out.onnx", samples)
    assert (exact.argmax(axis=1) == wrong.argmax(axis=1)).mean() < 0.9


@pytest.fixture
def scaled(tmp_path):
    """What a converter makes of a scaler and a dense layer: shape inference gives up behind `ai.onnx.ml`."""
    random = np.random.default_rng(0)
    nodes = [
        helper.make_node("Scaler", ["image"], ["scaled"], domain="ai.onnx.ml", offset=[0.5] * 8, scale=[2.0] * 8),
        helper.make_node("Cast", ["scaled"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["cast", "weights"], ["product"]),
        helper.make_node("Softmax", ["product"], ["soft"]),
        helper.make_node("Identity", ["soft"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "scaled",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(random.normal(size=(8, 4)).astype(np.float32), "weights")],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=opsets), tmp_path / "scaled.onnx")
    return tmp_path / "scaled.onnx"


@pytest.mark.parametrize("recipe", [OnnxStatic(), OnnxStatic(quant_format="qoperator"), OnnxDynamic()], ids=str)
def test_tensors_behind_other_domains_have_types_for_the_quantizers(scaled, tmp_path, make_calibration, recipe):
    prepare(scaled, tmp_path / "prepared.onnx")
    told = {
        each.name: each.type.tensor_type.elem_type for each in onnx.load(tmp_path / "prepared.onnx").graph.value_info
    }
    assert {told[name] for name in ("scaled", "product")} == {TensorProto.FLOAT}
    samples = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert OnnxQuantizer(scaled, scratch, make_calibration(samples)).quantize(recipe, tmp_path / "out.onnx") > 0.5
    assert np.abs(run(tmp_path / "out.onnx", samples) - run(scaled, samples)).max() < 0.1


def test_shape_inference_that_gives_up_leaves_nothing_in_the_working_directory(scaled, tmp_path, monkeypatch):
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    scratch.mkdir()
    monkeypatch.chdir(work)
    prepare(Path("..") / scaled.name, Path("..") / "scratch" / "prepared.onnx")
    assert (scratch / "prepared.onnx").is_file()
    assert list(work.iterdir()) == []


@pytest.fixture
def recurrent(tmp_path):
    """A small LSTM before a dense layer; the samples are `image`."""
    random = np.random.default_rng(0)
    shapes = {"w": (1, 64, 8), "r": (1, 64, 16), "dense": (16, 2)}
    nodes = [
        helper.make_node("Transpose", ["image"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r"], ["", "last"], hidden_size=16),
        helper.make_node("Squeeze", ["last", "axis"], ["state"]),
        helper.make_node("MatMul", ["state", "dense"], ["scores"]),
    ]
    constants = [numpy_helper.from_array(random.normal(0, 0.3, s).astype(np.float32), n) for n, s in shapes.items()]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 5, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [*constants, numpy_helper.from_array(np.array([0]), "axis")],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, tmp_path / "recurrent.onnx")
    return tmp_path / "recurrent.onnx"


def test_a_hollow_file_says_which_operators_keep_float_weights(recurrent, tmp_path, make_calibration):
    calibration = make_calibration(np.random.default_rng(1).normal(size=(20, 5, 8)).astype(np.float32))
    quantizer = OnnxQuantizer(recurrent, tmp_path, calibration)
    assert 0 < quantizer.quantize(OnnxStatic(), tmp_path / "out.onnx") < 0.1
    (issue,) = cost_issues(OnnxStatic(), quantizer.prepared, tmp_path / "out.onnx")
    assert known_issues(OnnxStatic(), quantizer.prepared, tmp_path / "out.onnx") == ()  # it changes no answer
    assert issue.endswith("% of the weight bytes are quantized; LSTM keeps float weights")


def test_an_lstm_that_onnx_runtime_would_not_run_is_a_recipe_that_does_not_fit(recurrent, tmp_path):
    path = tmp_path / "out.onnx"
    with pytest.raises(UnfitRecipeError, match=r"the model has an LSTM, .* set weight_symmetric = true"):
        OnnxQuantizer(recurrent, tmp_path).quantize(OnnxDynamic(per_channel=True), path)
    assert not path.exists()
    OnnxQuantizer(recurrent, tmp_path).quantize(OnnxDynamic(per_channel=True, weight_symmetric=True), path)
    assert run(path, np.ones((1, 5, 8), np.float32)).shape == (1, 2)


def test_what_the_quantizer_says_comes_last_and_short(scaled, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("unheard of " * 50)

    monkeypatch.setattr("crossrt.exporters.quantizers.ort.quantize.quantize_dynamic", fail)
    with pytest.raises(ExportError) as found:
        OnnxQuantizer(scaled, tmp_path).quantize(OnnxDynamic(), tmp_path / "out.onnx")
    expected = (
        "ONNX Runtime's quantizer cannot do this with the model, which has operators outside the standard (Scaler of"
        " ai.onnx.ml); try w8.onnx and fp16.onnx, which leave activations alone (it says: RuntimeError: unheard of"
    )
    assert str(found.value).startswith(expected)
    assert len(str(found.value)) < 360


def test_an_assertion_of_our_own_is_not_laid_at_the_quantizers_door(scaled, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise AssertionError

    monkeypatch.setattr("crossrt.exporters.quantizers.ort.quantize.quantize_dynamic", fail)
    with pytest.raises(ExportError, match=r"quantizer cannot do this with the model.*AssertionError"):
        OnnxQuantizer(scaled, tmp_path).quantize(OnnxDynamic(), tmp_path / "out.onnx")
    monkeypatch.undo()
    monkeypatch.setattr("crossrt.exporters.quantizers.ort.quantize._check_names", lambda *_: array(None))
    with pytest.raises(ExportError, match=r"^crossrt failed in layers.py:\d+: this is a defect of crossrt"):
        OnnxQuantizer(scaled, tmp_path).quantize(OnnxDynamic(), tmp_path / "out.onnx")
