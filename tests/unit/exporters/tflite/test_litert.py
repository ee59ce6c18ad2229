"""litert-quantizer over a small TFLite file, where it is installed; and what is said where it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from crossrt.core.tensor import TensorSpec
from crossrt.exporters.errors import ExportError, UnfitRecipeError
from crossrt.exporters.quantizers.tflite import litert
from crossrt.exporters.quantizers.tflite.check import known_issues
from crossrt.exporters.recipes.library import TfliteLitert
from crossrt.exporters.recipes.rules import impossible
from crossrt.exporters.sources.tflite_file import read_tflite

CONV = Path(__file__).parents[4] / "tests" / "data" / "models" / "conv.fp32.tflite" / "model.tflite"
IS_MISSING = importlib.util.find_spec("litert_quantizer") is None
installed = pytest.mark.skipif(IS_MISSING, reason="litert-quantizer is not installed")
quiet = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
FEW = {"calibration_samples": 30}


def answers(content, values):
    interpreter = Interpreter(model_content=bytes(content), num_threads=1)
    runner = interpreter.get_signature_runner(next(iter(interpreter.get_signature_list())))
    (name,) = runner.get_input_details()
    return np.concatenate([next(iter(runner(**{name: each[None]}).values())) for each in values])


@pytest.fixture
def calibration(make_calibration, images):
    (spec,) = read_tflite(CONV).inputs
    inputs = (TensorSpec(name=spec.name, dtype="float32", shape=spec.shape),)
    return make_calibration({spec.name: images(40)}, inputs)


@installed
@quiet
@pytest.mark.parametrize(
    ("recipe", "scheme", "weight_type"),
    [
        (TfliteLitert(**FEW), "static", "int8"),
        (TfliteLitert(calibrate_method="minmax", **FEW), "static", "int8"),
        (TfliteLitert(algorithm="octav", others="int8", calibrate_method="minmax", **FEW), "static", "int8"),
        (TfliteLitert(activation_bits=16, **FEW), "static", "int8"),
        (TfliteLitert(scheme="dynamic"), "dynamic", "int8"),
        (TfliteLitert(scheme="dynamic", algorithm="mse"), "dynamic", "int8"),
        (TfliteLitert(scheme="dynamic", weight_bits=4, operators=("FULLY_CONNECTED",)), "dynamic", "int4"),
        (TfliteLitert(scheme="dynamic", weight_bits=4, algorithm="gptq", others="int8", **FEW), "dynamic", "int4"),
        (TfliteLitert(scheme="weight-only"), "dynamic", "int8"),
    ],
    ids=lambda value: (
        "-".join(map(str, (value.scheme, value.algorithm, value.weight_bits, value.calibrate_method)))
        if isinstance(value, TfliteLitert)
        else str(value)
    ),
)
def test_every_scheme_writes_what_it_says_and_answers_nearly_alike(
    calibration, images, tmp_path, recipe, scheme, weight_type
):
    assert impossible(recipe) is None
    content = litert.to_litert(CONV.read_bytes(), recipe, calibration)
    (tmp_path / "out.tflite").write_bytes(content)
    found = read_tflite(tmp_path / "out.tflite").quantization
    assert (found.scheme, found.weight_type) == (scheme, weight_type)
    values = images(20, seed=1)
    exact, other = answers(CONV.read_bytes(), values), answers(content, values)
    assert 10 * np.log10(np.square(exact).sum() / np.square(exact - other).sum()) > 12


@installed
@quiet
@pytest.mark.parametrize(("float_io", "dtype"), [(True, "float32"), (False, "int8")])
def test_inputs_and_outputs_are_what_is_asked_for(calibration, tmp_path, float_io, dtype):
    recipe = TfliteLitert(float_io=float_io, **FEW)
    (tmp_path / "out.tflite").write_bytes(litert.to_litert(CONV.read_bytes(), recipe, calibration))
    found = read_tflite(tmp_path / "out.tflite")
    assert {each.dtype for each in (*found.inputs, *found.outputs)} == {dtype}
    assert recipe.quantization().io_dtype == dtype


@installed
@quiet
def test_operators_can_stay_in_float(calibration, tmp_path):
    """The library writes such weights behind the tables of the file."""
    recipe = TfliteLitert(exclude_operators=("FULLY_CONNECTED",), **FEW)
    (tmp_path / "out.tflite").write_bytes(litert.to_litert(CONV.read_bytes(), recipe, calibration))
    found = read_tflite(tmp_path / "out.tflite")
    assert {"float32", "int8"} <= found.weight_bytes.keys()


@installed
@quiet
def test_an_unknown_operator_is_refused_with_those_that_there_are():
    with pytest.raises(UnfitRecipeError, match=r"has no operator DENSE; it has .*FULLY_CONNECTED"):
        litert.to_litert(CONV.read_bytes(), TfliteLitert(scheme="dynamic", operators=("DENSE",)), None)


@installed
@quiet
def test_samples_are_asked_for_where_they_are_needed():
    with pytest.raises(ExportError, match="needs --calibration DATA"):
        litert.to_litert(CONV.read_bytes(), TfliteLitert(), None)


@installed
@quiet
def test_what_the_library_raises_is_one_message():
    with pytest.raises(ExportError, match="litert-quantizer failed: "):
        litert.to_litert(b"no model at all, but long enough", TfliteLitert(scheme="dynamic"), None)


def test_what_is_not_installed_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnfitRecipeError, match=r"need litert-quantizer, which is not installed: .*litert-quantizer"):
        litert.to_litert(b"", TfliteLitert(), None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"granularity": "block-32"}, "for weight_bits = 4 with scheme = 'dynamic' only"),
        (
            {"granularity": "block-64", "scheme": "dynamic", "weight_bits": 4, "algorithm": "octav"},
            "octav takes no blocks",
        ),
        ({"algorithm": "gptq", "calibrate_method": "minmax"}, "gptq takes calibrate_method = 'moving-average'"),
        ({"scheme": "dynamic", "activation_bits": 16}, "needs scheme = 'static'"),
    ],
)
def test_what_the_library_cannot_is_told_before(fields, said):
    assert said in impossible(TfliteLitert(**fields))


def test_averaged_ranges_and_static_gptq_are_known_issues():
    recipe = TfliteLitert(algorithm="gptq", others="int8")
    found = known_issues(CONV, recipe)
    assert any("set scheme = 'dynamic'" in each for each in found)
    assert any("set calibrate_method = 'minmax'" in each for each in found)
