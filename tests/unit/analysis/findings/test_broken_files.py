"""Files that a runtime refuses, scales that are absurd but finite, codes of 0, and weights that no folding explains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from onnx import TensorProto, helper, numpy_helper

from crossrt.analysis.findings.protocol import run_checks
from crossrt.analysis.findings.reading import read_file

INPUTS, HIDDEN, CLASSES = 16, 24, 4
TFLITE = Path(__file__).parents[3] / "data" / "models" / "conv.int8-io.tflite" / "model.tflite"
BAD = ("caution", "wrong")


def said(path, original=None):
    file = read_file(path, "onnx")
    return {check.name: check for check in run_checks(file, None if original is None else read_file(original, "onnx"))}


def bad(checks):
    return {name: each.severity for name, each in checks.items() if each.severity in BAD}


def saved(path, nodes, arrays, output="y"):
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", INPUTS])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in arrays.items()],
    )
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.fixture
def weights():
    generator = np.random.default_rng(0)
    gains = 2.0 ** generator.uniform(-2, 2, HIDDEN)
    first = generator.normal(size=(INPUTS, HIDDEN)) * gains / np.sqrt(INPUTS)
    return {
        "w1": first.astype(np.float32),
        "w2": (generator.normal(size=(HIDDEN, CLASSES)) / np.sqrt(HIDDEN)).astype(np.float32),
    }


@pytest.fixture
def float_file(weights, tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["h"], "relu"),
        helper.make_node("MatMul", ["h", "w2"], ["y"], "second"),
    ]
    return saved(tmp_path / "float.onnx", nodes, weights)


def codes_of(values):
    scale = (np.abs(values).max(axis=0) / 127).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale


@pytest.fixture
def write(weights, tmp_path):
    """Writes the quantized file, with some of its arrays changed."""

    def run(change=None, spoil=None, source=None):
        arrays = {}
        for name, values in (source or weights).items():
            codes, scale = codes_of(values)
            arrays |= {f"{name}_quantized": codes, f"{name}_scale": scale, f"{name}_zero_point": 0 * codes[0]}
        for name, reach, zero_point in (("x", 8, 128), ("a", 24, 0), ("y", 30, 120)):
            arrays |= {f"{name}_scale": np.float32(reach / 255), f"{name}_zero_point": np.uint8(zero_point)}
        arrays |= {name: np.asarray(make(arrays[name]), arrays[name].dtype) for name, make in (change or {}).items()}
        path = saved(tmp_path / "net.onnx", list(_nodes()), {name: np.asarray(each) for name, each in arrays.items()})
        if spoil is not None:
            model = onnx.load(path)
            spoil(model)
            onnx.save(model, path)
        return path

    return run


def _nodes():
    for name, layer, result in (("x", "first", "a"), ("a", "second", "y")):
        weight = "w1" if layer == "first" else "w2"
        if name == "x":
            yield helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero_point"], ["x_q"])
        yield helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale", f"{name}_zero_point"], [f"{name}_d"])
        parameters = [f"{weight}_quantized", f"{weight}_scale", f"{weight}_zero_point"]
        yield helper.make_node("DequantizeLinear", parameters, [f"{weight}_d"], axis=1)
        real = f"{result}_QuantizeLinear_Input" if result == "y" else result
        yield helper.make_node("MatMul", [f"{name}_d", f"{weight}_d"], [real], layer)
        yield helper.make_node("QuantizeLinear", [real, f"{result}_scale", f"{result}_zero_point"], [f"{result}_q"])
    yield helper.make_node("DequantizeLinear", ["y_q", "y_scale", "y_zero_point"], ["y"])


def test_nothing_is_said_against_the_sound_file(write, float_file):
    assert bad(said(write())) == {}
    assert bad(said(write(), float_file)) == {}


def _no_opset(model):
    del model.opset_import[:]


def _opset_999(model):
    model.opset_import[0].version = 999


def _dangling(model):
    next(each for each in model.graph.node if each.name == "second").input[0] = "nowhere"


def _cycle(model):
    model.graph.node[0].input[0] = "y"


def _no_weights(model):
    model.graph.initializer.remove(next(each for each in model.graph.initializer if each.name == "w1_quantized"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_no_opset, "Missing opset"),
        (_opset_999, "Opset 999"),
        (_dangling, "'nowhere'"),
        (_cycle, "not acyclic"),
        (_no_weights, "'w1_quantized'"),
    ],
)
def test_what_onnx_runtime_refuses_is_wrong_and_its_reason_is_told(write, spoil, reason):
    found = said(write(spoil=spoil))["loads"]
    assert found.severity == "wrong"
    assert found.text.startswith("ONNX Runtime refuses it: ")
    assert reason in found.findings[0].found
    assert "/onnxruntime_src" not in found.findings[0].found


def test_an_operator_of_a_domain_of_its_own_is_a_note(write):
    def spoil(model):
        model.opset_import.append(helper.make_opsetid("my.own", 1))
        next(each for each in model.graph.node if each.name == "second").domain = "my.own"

    assert said(write(spoil=spoil))["loads"].severity == "note"


@pytest.mark.parametrize(
    ("name", "factor", "where"),
    [
        ("x_scale", 1000, "MatMul first"),
        ("x_scale", 1e38, "MatMul first"),
        ("a_scale", 1e30, "a"),
        ("y_scale", 1e-30, "MatMul second"),
        ("y_scale", 1e4, "y"),
    ],
)
def test_ranges_that_contradict_input_and_weights_are_doubtful(write, name, factor, where):
    found = said(write({name: lambda values: values * factor}))["ranges of layers"]
    assert [(each.severity, each.where) for each in found.findings] == [("caution", where)]


def test_scales_beyond_what_networks_hold_are_doubtful(write):
    found = said(write({"w1_scale": lambda values: values * 1e36}))["scales"]
    assert (found.severity, found.text) == ("caution", "too large: w1")


def test_only_what_is_wrong_with_scales_is_said(write):
    found = said(write({"w1_scale": lambda values: values[:-3], "w1_zero_point": lambda values: values[:-3]}))["scales"]
    assert found.text == "another number of them than their axis has places: w1"
    assert found.findings[0].found == f"{HIDDEN - 3} scales along axis 1, which has {HIDDEN} places"


@pytest.mark.parametrize(("name", "code"), [("x", 255), ("a", 255), ("y", 255), ("y", 0)])
def test_a_zero_point_at_an_end_that_nothing_explains_is_doubtful(write, float_file, name, code):
    path = write({f"{name}_zero_point": lambda _: code})
    assert [each.where for each in said(path)["zero points"].findings] == [name]
    assert said(path, float_file)["zero points"].severity == "caution"


def test_a_relu_at_the_end_of_the_float_file_explains_an_output_without_negative_values(write, float_file):
    model = onnx.load(float_file)
    model.graph.node[-1].output[0] = "s"
    model.graph.node.append(helper.make_node("Relu", ["s"], ["y"], "last"))
    onnx.save(model, float_file)
    assert said(write({"y_zero_point": lambda _: 0}), float_file)["zero points"].severity == "ok"


def test_codes_that_all_stand_for_0_are_doubtful_and_wrong_beside_a_float_file(write, float_file):
    path = write({"w1_quantized": lambda codes: codes * 0})
    assert said(path)["weight range"].findings[0].found == "all its codes stand for 0"
    assert said(path, float_file)["float file's weights"].severity == "wrong"


def test_channels_of_0_are_doubtful_unless_the_float_file_has_them_too(write, weights, float_file, tmp_path):
    half = np.arange(HIDDEN) < HIDDEN // 2
    path = write({"w1_quantized": lambda codes: np.where(half, 0, codes)})
    assert "12 of 24 channels" in said(path)["weight range"].findings[0].found
    assert "12 of 24 channels" in said(path, float_file)["float file's weights"].findings[0].found
    model = onnx.load(float_file)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.where(half, np.float32(0), weights["w1"]), "w1"))
    onnx.save(model, tmp_path / "pruned.onnx")
    assert bad(said(path, tmp_path / "pruned.onnx")) == {}


@pytest.mark.parametrize("name", ["w1_scale", "w1_quantized"])
def test_channels_in_reverse_order_are_found(write, float_file, name):
    found = said(write({name: lambda values: values[..., ::-1]}), float_file)
    assert bad(found) == {"float file's weights": "caution"}


def test_a_factor_for_each_channel_needs_a_batchnorm_or_its_inverse_in_the_next_layer(
    write, weights, float_file, tmp_path
):
    gains = (2.0 ** np.random.default_rng(1).uniform(-1, 1, HIDDEN)).astype(np.float32)
    scaled = {"w1": weights["w1"] * gains, "w2": weights["w2"]}
    assert bad(said(write(source=scaled), float_file)) == {"float file's weights": "caution"}
    equalized = scaled | {"w2": weights["w2"] / gains[:, None]}
    found = said(write(source=equalized), float_file)["float file's weights"]
    assert found.severity == "ok"
    assert "equalization" in found.text
    path = write(source=scaled)
    for factors, severity in ((gains, "ok"), (gains[::-1], "caution")):
        assert said(path, _with_batchnorm(float_file, factors, tmp_path))["float file's weights"].severity == severity


def _with_batchnorm(path, gains, folder):
    model = onnx.load(path)
    model.graph.node[1].input[0] = "n"
    names = ["gamma", "beta", "mean", "variance"]
    model.graph.node.insert(1, helper.make_node("BatchNormalization", ["a", *names], ["n"], "norm", epsilon=0.25))
    for name, values in zip(names, (gains, 0 * gains, 0 * gains, 0 * gains + 0.75), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    onnx.save(model, folder / "norm.onnx")
    return folder / "norm.onnx"


def test_an_onnx_model_that_is_named_as_a_tflite_file_is_found(write):
    path = write()
    found = said(path.rename(path.with_name("net.tflite")))["file name"]
    assert (found.severity, found.text) == ("wrong", "the name ends in .tflite, and the file is an ONNX model")


def test_what_litert_refuses_is_wrong_and_its_reason_is_told(tmp_path):
    tables = schema.ModelT.InitFromPackedBuf(TFLITE.read_bytes(), 0)
    tables.operatorCodes[0].version = 999
    builder = Builder(1024)
    builder.Finish(tables.Pack(builder), b"TFL3")
    (tmp_path / "net.tflite").write_bytes(builder.Output())
    found = {each.name: each for each in run_checks(read_file(tmp_path / "net.tflite", "tflite"))}["loads"]
    assert found.severity == "wrong"
    assert "version '999'" in found.findings[0].found
