"""Whatever is planted in a sound file is found and named, and nothing is said against sound files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from crossrt.analysis.findings.names import claims
from crossrt.analysis.findings.protocol import run_checks
from crossrt.analysis.findings.reading import read_file
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxStatic, OnnxWeightOnly

ROOT = Path(__file__).parents[4]
MODELS = ROOT / "tests" / "data" / "models"
SEEDS = 4


@pytest.fixture(scope="module")
def defects():
    """The module of the benchmark script that plants them."""
    path = ROOT / "tests" / "benchmarks" / "defects.py"
    if not path.is_file():
        pytest.skip("the benchmark scripts are not beside the tests")
    spec = importlib.util.spec_from_file_location("crossrt_planted_defects", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def said(path, original=None):
    form = path.suffix[1:]
    checks = run_checks(read_file(path, form), None if original is None else read_file(original, form))
    return {check.name: check for check in checks}


def bad(checks):
    return {name: each.text for name, each in checks.items() if each.severity in ("caution", "wrong")}


@pytest.fixture
def sound(defects, quantized, network, tmp_path):
    four_bits = quantized(OnnxStatic(weight_type="int4")).rename(tmp_path / "four.onnx")
    return defects.Sound(
        onnx=quantized(OnnxStatic(per_channel=True)).rename(tmp_path / "sound.onnx"),
        tflite=MODELS / "conv.int8-io.tflite" / "model.tflite",
        float_onnx=network("plain"),
        float_tflite=MODELS / "conv.fp32.tflite" / "model.tflite",
        four_bits=four_bits,
    )


def test_planted_defects_of_each_kind_are_found_and_named(defects, sound, tmp_path):
    missed = []
    for kind, plant in defects.KINDS.items():
        for seed in range(SEEDS):
            folder = tmp_path / f"{plant.__name__}-{seed}"
            folder.mkdir()
            planted = plant(sound, np.random.default_rng(seed), folder)
            found = said(planted.path, planted.original)[planted.check].findings
            if not any(each.severity in ("caution", "wrong") and planted.where in each.where for each in found):
                missed.append((kind, seed, planted.where, found))
    assert missed == []


@pytest.mark.parametrize(
    "recipe",
    [
        OnnxStatic(per_channel=True),
        OnnxStatic(quant_format="qoperator", weight_type="uint8", weight_symmetric=False),
        OnnxStatic(reduce_range=True),
        OnnxStatic(activation_type="int8", activation_symmetric=True, keep_removable_activations=True),
        OnnxStatic(activation_type="uint16"),
        OnnxStatic(weight_type="int4"),
        OnnxDynamic(per_channel=True),
        OnnxWeightOnly(),
    ],
    ids=str,
)
def test_nothing_is_said_against_a_sound_file(quantized, network, recipe):
    assert bad(said(quantized(recipe), network("plain"))) == {}


def test_nothing_is_said_against_a_sound_tflite_file(sound):
    assert bad(said(sound.tflite, sound.float_tflite)) == {}


def test_every_finding_says_what_was_found_what_is_expected_and_what_to_do(defects, sound, tmp_path):
    planted = defects.bias_scales(sound, np.random.default_rng(3), tmp_path)
    (finding,) = said(planted.path)["bias scales"].findings
    assert finding.severity == "wrong"
    assert finding.found.startswith("scale ")
    assert finding.expected.endswith("the scale of its input times that of its weights")
    assert finding.to_do


def test_saturating_pairs_are_a_note_that_reduced_weights_do_not_get(quantized):
    assert said(quantized(OnnxStatic(per_channel=True)))["int16 pairs"].severity == "note"
    assert said(quantized(OnnxStatic(per_channel=True, reduce_range=True)))["int16 pairs"].severity == "ok"
    unsigned = OnnxStatic(weight_type="uint8", weight_symmetric=False)
    assert said(quantized(unsigned))["int16 pairs"].severity == "not applicable"


def test_pixels_that_are_cast_have_scale_1_by_right_and_a_placeholder_has_not(quantized, tmp_path):
    model = onnx.load(quantized(OnnxStatic(per_channel=True)))
    for each in model.graph.initializer:
        if each.name == "nchw_scale":
            each.CopyFrom(numpy_helper.from_array(np.float32(1), each.name))
    onnx.save(model, tmp_path / "pixels.onnx")
    assert "constant scales" not in bad(said(tmp_path / "pixels.onnx"))
    for each in model.graph.initializer:
        if each.name in ("nchw_scale", "logits_scale"):
            each.CopyFrom(numpy_helper.from_array(np.float32(1 if each.name[0] == "l" else 0.5), each.name))
    onnx.save(model, tmp_path / "placeholder.onnx")
    assert bad(said(tmp_path / "placeholder.onnx"))["constant scales"] == "1 look like placeholders: logits"


def test_a_file_whose_arrays_do_not_fit_each_other_is_said_to_contradict_itself(quantized, tmp_path):
    model = onnx.load(quantized(OnnxStatic(per_channel=True)))
    for each in model.graph.initializer:
        if each.name == "kernel_scale":
            each.CopyFrom(numpy_helper.from_array(np.ones(3, np.float32), each.name))
    onnx.save(model, tmp_path / "odd.onnx")
    found = said(tmp_path / "odd.onnx")
    assert found["scales"].severity == "wrong"
    assert any("contradicts itself" in each.text or each.severity == "wrong" for each in found.values())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("net.int8-qdq.onnx", [("int8", 8, "weights"), ("qdq", 0, "anything")]),
        ("a8w4.tflite", [("a8w4", 4, "weights")]),
        ("int16x8.tflite", [("int16x8", 8, "weights")]),
        ("net_fp16.onnx", [("fp16", 16, "floats")]),
        ("mnist-cnn.fp32.onnx", []),
        ("sequence8.onnx", []),
    ],
)
def test_what_a_name_claims(name, found):
    assert claims(name) == found
