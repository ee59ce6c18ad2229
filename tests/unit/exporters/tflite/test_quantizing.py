"""Float TFLite files quantized as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from crossrt.exporters.errors import ExportError, NothingToQuantizeError
from crossrt.exporters.quantizers.tflite.check import check_quantized, known_issues
from crossrt.exporters.quantizers.tflite.flatbuffer import FlatModel
from crossrt.exporters.quantizers.tflite.weights import to_dynamic, to_float16
from crossrt.exporters.recipes.recipe import TfliteDynamic, TfliteStatic
from crossrt.exporters.sources.tflite_file import read_tflite

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[4]
CONFORMANCE = ROOT / "runtimes" / "conformance" / "models"
CONV = ROOT / "tests" / "data" / "models" / "conv.fp32.tflite" / "model.tflite"
STATIC = ("image", "state", "pair", "signatures", "unsigned", "fixed")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantized")
    script = Path(__file__).with_name("quantizing.py")
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(folder)], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def float_file(name):
    return CONFORMANCE / f"{name}.fp32.tflite" / "model.tflite"


def written(model, path):
    path.write_bytes(model.packed())
    return path


def answers(path, samples=4):
    """Of the chosen signature, or of the graph, to random inputs; by name of the output."""
    interpreter, found = Interpreter(model_path=str(path)), []
    spec = read_tflite(path)
    keys = [spec.signature] if spec.signature else []
    for seed in range(samples):
        random = np.random.default_rng(seed)
        if keys:
            runner = interpreter.get_signature_runner(keys[0])
            details = runner.get_input_details()
            found.append(runner(**{name: drawn(details[name], random) for name in sorted(details)}))
        else:
            interpreter.allocate_tensors()
            for each in interpreter.get_input_details():
                interpreter.set_tensor(each["index"], drawn(each, random))
            interpreter.invoke()
            found.append(
                {each["name"]: interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}
            )
    return {name: np.stack([each[name] for each in found]) for name in found[0]}


def drawn(detail, random):
    if detail["dtype"] == np.int32:
        return random.integers(0, 300, detail["shape"]).astype(np.int32)
    return random.random(detail["shape"]).astype(detail["dtype"])


def quantized_weights(path):
    """Values, scales and axis of the int8 constants, by the operators that read them; and the operators' versions."""
    model = FlatModel.__new__(FlatModel)
    model.tables = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    model.graph = model.tables.subgraphs[0]
    found = {}
    for node in model.graph.operators:
        for index in node.inputs:
            tensor = model.graph.tensors[index]
            data = model.tables.buffers[tensor.buffer].data
            if tensor.type == schema.TensorType.INT8 and data is not None:
                parameters = tensor.quantization
                found[model.operator(node)] = bytes(data), [*parameters.scale], parameters.quantizedDimension
    codes = model.tables.operatorCodes
    return found, sorted((max(each.builtinCode, each.deprecatedBuiltinCode), each.version) for each in codes)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("dynamic", TfliteDynamic()),
        ("dynamic-per-tensor", TfliteDynamic(per_channel=False, per_channel_dense=False)),
    ],
)
def test_dynamic_weights_are_those_of_the_converter_to_the_last_bit(made, tmp_path, name, recipe):
    model = FlatModel(made / "net.tflite")
    to_dynamic(model, recipe)
    ours, theirs = (
        quantized_weights(written(model, tmp_path / "x.tflite")),
        quantized_weights(made / f"net.{name}.tflite"),
    )
    assert ours == theirs
    assert set(ours[0]) == {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "GATHER"}


def test_a_dynamic_file_answers_like_the_float_file(made, tmp_path):
    model = FlatModel(made / "net.tflite")
    to_dynamic(model, TfliteDynamic())
    exact, found = answers(made / "net.tflite"), answers(written(model, tmp_path / "x.tflite"))
    for name, values in exact.items():
        assert 0 < np.linalg.norm(found[name] - values) < 0.05 * np.linalg.norm(values)


def test_a_file_whose_weights_are_all_too_small_is_no_quantized_file(tmp_path):
    model = FlatModel(float_file("image"))
    to_dynamic(model, TfliteDynamic())
    path = written(model, tmp_path / "x.tflite")
    with pytest.raises(NothingToQuantizeError, match="weights of fewer than 1,024 elements in float, and the largest"):
        check_quantized(path, TfliteDynamic())
    assert not path.exists()


def test_the_share_of_quantized_weights_is_read_from_the_file(made, tmp_path):
    model = FlatModel(CONV)
    to_dynamic(model, TfliteDynamic())
    share = check_quantized(written(model, tmp_path / "x.tflite"), TfliteDynamic()).quantized_share
    assert 0.5 < share < 0.99
    assert check_quantized(made / "image.int8.tflite", TfliteStatic()).quantized_share == 1


def test_a_dynamic_file_in_float16_alone_is_not_what_was_asked_for(tmp_path):
    model = FlatModel(CONV)
    to_float16(model)
    with pytest.raises(NothingToQuantizeError, match="holds no quantized weights"):
        check_quantized(written(model, tmp_path / "x.tflite"), TfliteDynamic())


def test_depthwise_weights_with_one_scale_are_a_known_issue(made):
    path, recipe = made / "net.dynamic-per-tensor.tflite", TfliteDynamic(per_channel=False, per_channel_dense=False)
    (issue,) = known_issues(path, recipe)
    assert "LiteRT computes dynamic depthwise convolutions wrongly" in issue
    assert known_issues(path, TfliteDynamic()) == ()


def test_a_float16_file_holds_all_its_weights_in_half_the_bytes(tmp_path):
    model = FlatModel(CONV)
    to_float16(model)
    path = written(model, tmp_path / "x.tflite")
    before, after = read_tflite(CONV).weight_bytes, read_tflite(path).weight_bytes
    assert "float32" not in after
    assert after["float16"] == before["float32"] // 2
    for name, values in answers(CONV).items():
        np.testing.assert_allclose(answers(path)[name], values, rtol=0.01, atol=0.01)


def test_weights_beyond_float16_are_refused_by_name(tmp_path):
    model = FlatModel(CONV)
    index = next(number for number, _ in enumerate(model.graph.tensors) if model.floats(number) is not None)
    model.graph.tensors[index].buffer = model.add_buffer(model.floats(index) * np.float32(1e9))
    with pytest.raises(ExportError, match="more than float16 can hold"):
        to_float16(model)


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize("name", STATIC)
def test_a_static_file_has_the_interface_of_the_float_file_and_integers_inside(made, name, recipe):
    before, after = read_tflite(float_file(name)), read_tflite(made / f"{name}.{recipe}.tflite")
    assert {(each.name, each.dtype, each.shape) for each in after.inputs} == {
        (each.name, each.dtype, each.shape) for each in before.inputs
    }
    assert sorted(each.name for each in after.outputs) == sorted(each.name for each in before.outputs)
    assert after.signature == before.signature
    assert after.quantization is not None
    assert after.quantization.activation_type == {"int8": "int8", "int16x8": "int16"}[recipe]
    assert "int8" in after.weight_bytes
    assert "float32" not in after.weight_bytes


@pytest.mark.parametrize("name", STATIC)
def test_a_static_file_answers_like_the_float_file(made, name):
    exact, found = answers(float_file(name)), answers(made / f"{name}.int8.tflite")
    for output, values in exact.items():
        assert np.linalg.norm(found[output] - values) < 0.25 * np.linalg.norm(values)


def test_integer_inputs_and_outputs_are_those_of_the_recipe(made):
    found = read_tflite(made / "pair.int8-io.tflite")
    assert {each.dtype for each in (*found.inputs, *found.outputs)} == {"int8"}


def test_of_several_signatures_the_one_that_is_used_is_quantized_and_stays(made):
    assert read_tflite(float_file("signatures")).notes
    assert read_tflite(made / "signatures.int8.tflite").notes == ()


def test_what_the_quantizer_cannot_do_is_told_in_one_line(made):
    refusals = json.loads((made / "refusals.json").read_text())
    assert [name for name in refusals if not name.startswith("empty.")] == []
    assert refusals["empty.int16x8"].startswith("TensorFlow Lite's quantizer failed: Max and min")


def test_a_file_that_is_not_in_float32_is_refused(tmp_path):
    with pytest.raises(ExportError, match="is quantized already: bring the float32 file"):
        FlatModel(CONFORMANCE / "dense.int8-io.tflite" / "model.tflite")
    model = FlatModel(CONV)
    to_float16(model)
    with pytest.raises(ExportError, match="is float16 already: bring the float32 file"):
        FlatModel(written(model, tmp_path / "half.tflite"))
