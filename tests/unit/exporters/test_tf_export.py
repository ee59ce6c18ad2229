"""Keras models and SavedModels of many kinds: inspected, exported in float, and compared with their own answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest

pytestmark = pytest.mark.tensorflow

SCRIPT = Path(__file__).with_name("tf_models.py")
EXPORTED = [
    "two_inputs_two_outputs",
    "lstm",
    "transformer",
    "normalization",
    "any_size",
    "mixed",
    "double",
    "fixed_batch",
    "saved_model",
    "exported",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Exported in an environment in which the user has set Keras up for other things."""
    folder, home = tmp_path_factory.mktemp("exported"), tmp_path_factory.mktemp("home")
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text(
        '{"floatx": "float64", "epsilon": 1e-7, "backend": "torch", "image_data_format": "channels_first"}'
    )
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(folder)],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env={**os.environ, "HOME": str(home), "KERAS_HOME": str(home / ".keras"), "KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_a_float_file_answers_like_the_model(results, name, form):
    assert results[name][form].get("error", results[name][form]) < 1e-4


@pytest.mark.parametrize("name", EXPORTED)
def test_an_onnx_file_has_the_inputs_and_outputs_of_its_model(results, name):
    found = results[name]
    assert (found["onnx"]["inputs"], found["onnx"]["outputs"]) == (found["inputs"], found["outputs"])


@pytest.mark.parametrize("name", [name for name in EXPORTED if name not in ("lstm", "double")])
def test_a_tflite_file_has_the_inputs_and_outputs_of_its_model(results, name):
    found = results[name]
    assert sorted(found["tflite"]["inputs"]) == sorted(found["inputs"])
    assert sorted(found["tflite"]["outputs"]) == sorted(found["outputs"])


def test_names_come_from_the_keys_of_inputs_and_outputs(results):
    found = results["two_inputs_two_outputs"]
    assert found["inputs"] == ["left float32 (batch, 4)", "right int64 (batch,)"]
    assert sorted(found["outputs"]) == ["aux_2 float32 (batch, 2)", "score float32 (batch, 1)"]


def test_dynamic_dimensions_beside_the_batch_have_names(results):
    assert results["any_size"]["inputs"] == ["image uint8 (batch, image[1], image[2], 3)"]


def test_a_fixed_batch_stays_fixed(results):
    assert results["fixed_batch"]["inputs"] == ["image float32 (2, 8, 8, 3)"]


def test_recurrent_layers_in_tflite_have_a_fixed_batch_of_one(results):
    assert results["lstm"]["tflite"]["inputs"] == ["series float32 (1, 6, 4)"]
    assert results["lstm"]["onnx"]["inputs"] == ["series float32 (batch, 6, 4)"]


def test_gelu_is_written_with_erf(folder):
    kinds = {node.op_type for node in onnx.load(folder / "transformer.onnx").graph.node}
    assert "Erf" in kinds
    assert "Erfc" not in kinds


def test_gelu_is_written_so_that_onnx_runtime_fuses_it(folder, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimized.onnx"), 3
    onnxruntime.InferenceSession(str(folder / "transformer.onnx"), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("Gelu") == 1


def test_constants_that_a_layer_captured_are_not_inputs(folder):
    assert [each.name for each in onnx.load(folder / "normalization.onnx").graph.input] == ["table"]


def test_first_layers_say_which_values_the_model_expects(results):
    assert results["any_size"]["preprocessing"] == ["Rescaling(scale=1/255) first: expects raw values, such as 0..255"]
    assert results["any_size"]["expects"] == [[0, 255]]
    (said,) = results["normalization"]["preprocessing"]
    assert said.startswith("Normalization first: expects raw values, not standardized ones, mostly within -")
    ((lowest, highest),) = results["normalization"]["expects"]
    assert (lowest, highest) == (pytest.approx(-3, abs=1.5), pytest.approx(9, abs=1.5))


def test_another_precision_is_computed_in_float32_and_said(results):
    assert "mixed_float16 are computed in float32, for the reference too" in results["mixed"]["notes"][0]


def test_layers_and_weights_are_counted(results):
    found = results["lstm"]
    assert found["operators"]["LSTM"] == 1
    assert found["weights"] == {"float32": 4 * (4 * 8 * 4 + 8 * 8 * 4 + 32 + 8 * 15 + 5 * 15 + 2 * 15 + 15 + 3)}


def test_what_keras_quantized_is_kept_in_onnx_and_refused_in_tflite_with_the_way_out(results):
    found = results["quantized_by_keras"]
    assert found["onnx"]["error"] < 1e-3
    assert "the weights eight/kernel are int8 already (Keras's quantize)" in found["tflite"]["refused"]
    assert "save the model before model.quantize()" in found["tflite"]["refused"]
    assert "the weights eight/kernel are int8 already" in found["notes"][0]


@pytest.mark.parametrize("name", ["not_a_number", "infinite"])
def test_weights_that_hold_nan_or_infinity_are_named_and_not_exported(results, name):
    found = results[name]
    assert "broken/kernel hold NaN or infinity" in found["notes"][0]
    for form in ("onnx", "tflite"):
        assert "broken/kernel hold NaN or infinity" in found[form]["refused"]


def test_an_operator_that_cannot_be_converted_is_named_in_one_line(results):
    message = results["unsupported"]["onnx"]["refused"]
    assert "needs the TensorFlow operator" in message
    assert "\n" not in message


def test_of_several_signatures_of_a_saved_model_one_is_used_and_said(results):
    found = results["saved_model"]
    assert (found["kind"], found["model"]) == ("saved-model", "plain-v1")
    assert sorted(found["inputs"]) == ["offset float32 (batch,)", "x float32 (batch, 4)"]
    assert sorted(found["outputs"]) == ["best int64 (batch,)", "scores float32 (batch, 3)"]
    assert found["notes"] == ["signature serving_default is used, not other"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lambda", "holds a Lambda layer, which is code that crossrt does not run"),
        ("custom", "needs Python code that is not in it"),
        ("sub-classed", "needs Python code that is not in it (the class SubClassed)"),
        ("unbuilt", "does not say its inputs: build it from keras.Input"),
        ("text", "takes text: take the layers that read text"),
        ("h5", "Python code that runs when it is loaded"),
        ("weights", "holds weights without a model"),
        ("loops", "cannot calibrate loops, as recurrent layers"),
        ("no calibration", "needs --calibration DATA"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(results, name, words):
    message = results["refusals"][name]
    assert words in message
    assert "safe_mode" not in message
    assert "\n" not in message


def test_an_allowed_legacy_file_says_its_risk(results):
    assert "Python code that runs when it is loaded" in results["refusals"]["allowed h5"][0]
