"""NNCF over small ONNX files, where it is installed; and what is said where it is not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.exporters.errors import UnfitRecipeError
from crossrt.exporters.quantizers.nncf import library
from crossrt.exporters.recipes.library import OnnxNncf, OnnxNncfWeights
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.exporters.recipes.rules import impossible
from crossrt.exporters.variants import Variant
from crossrt.harness.build.building import quantizing_module

RECIPES = {
    "default": OnnxNncf(calibration_samples=60),
    "minmax": OnnxNncf(preset="mixed", range_estimator="minmax", bias_correction="none", calibration_samples=60),
    "smooth": OnnxNncf(transformer=True, calibration_samples=60),
    "controlled": OnnxNncf(accuracy_control=True, max_drop_pp=100, calibration_samples=60, validation_samples=20),
    "w8": OnnxNncfWeights(mode="int8_asym"),
    "w4": OnnxNncfWeights(),
    "w4-awq": OnnxNncfWeights(awq=True, scale_estimation=True, calibration_samples=20),
    "all-validate": OnnxNncf(accuracy_control=True, calibration_samples=90, validation_samples=20),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """All recipes in one process, as NNCF starts slowly: events by item, and the folder."""
    if importlib.util.find_spec("nncf") is None:
        pytest.skip("NNCF is not installed")
    folder = tmp_path_factory.mktemp("nncf")
    random = np.random.default_rng(0)
    np.savez(folder / "data.npz", image=random.random((90, 8), dtype=np.float32))
    weights = [random.normal(0, 0.3, shape).astype(np.float32) for shape in ((8, 64), (64, 64), (64, 10))]
    onnx.save(_dense(weights), folder / "net.onnx")
    (folder / "out").mkdir()
    job = {
        "model": "net",
        "source": str(folder / "net.onnx"),
        "source_sha256": "0",
        "kind": "onnx",
        "folder": str(folder / "out"),
        "items": [f"{name}.onnx" for name in RECIPES],
        "recipes": {f"{name}.onnx": msgspec.to_builtins(recipe) for name, recipe in RECIPES.items()},
        "calibration": {"reference": str(folder / "data.npz")},
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "crossrt.exporters.quantizers.nncf.quantize"],
        input=json.dumps(job) + "\n",
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        env={"PATH": "", "HOME": str(folder / "home"), "ORT_DISABLE_TELEMETRY": "1"},
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "finished", done.stderr[-3000:]
    return {each["item"]: each for each in events if "item" in each}, folder


def _dense(weights):
    helper, names = onnx.helper, []
    nodes = []
    for place in range(len(weights)):
        source = names[-1] if names else "image"
        target = "logits" if place == len(weights) - 1 else f"h{place}"
        nodes.append(helper.make_node("MatMul", [source, f"w{place}"], [target], name=f"m{place}"))
        if target != "logits":
            nodes.append(helper.make_node("Relu", [target], [f"r{place}"], name=f"relu{place}"))
            names.append(f"r{place}")
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["batch", 8])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 10])],
        [onnx.numpy_helper.from_array(weight, f"w{place}") for place, weight in enumerate(weights)],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])


def answers(path, values):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": values})[0]


@pytest.mark.processes
@pytest.mark.parametrize(("name", "decibels"), [(each, 10) for each in RECIPES if each != "all-validate"])
def test_every_recipe_writes_a_quantized_file_that_answers_nearly_alike(built, name, decibels):
    events, folder = built
    assert events[f"{name}.onnx"]["event"] == "built"
    artifact = read_manifest(folder / "out" / f"{name}.onnx" / ARTIFACT_MANIFEST, ModelArtifact)
    assert artifact.quantization.scheme == RECIPES[name].quantization().scheme
    assert artifact.quantization.quantized_share > 0.5
    assert "nncf" in artifact.producer
    values = np.random.default_rng(1).random((40, 8), dtype=np.float32)
    exact, found = answers(folder / "net.onnx", values), answers(artifact.path, values)
    assert 10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum()) > decibels


@pytest.mark.processes
def test_samples_that_only_suffice_to_calibrate_are_a_reason(built):
    event = built[0]["all-validate.onnx"]
    assert event["event"] == "item_failed"
    assert not event["fits"]
    assert "accuracy_control needs samples behind the 90 that calibrate" in event["reason"]


@pytest.mark.processes
def test_telemetry_leaves_nothing_in_the_home_folder(built):
    assert not (built[1] / "home").exists()


def test_what_is_not_installed_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnfitRecipeError, match=r"need NNCF, which is not installed: .*pip .*install nncf"):
        library.import_nncf()


def test_nothing_is_imported_where_telemetry_runs_already(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setitem(sys.modules, "openvino_telemetry", object())
    with pytest.raises(UnfitRecipeError, match="openvino_telemetry was imported before"):
        library.import_nncf()


def test_nncf_has_a_process_of_its_own():
    modules = [quantizing_module(Variant(name="v", format="onnx", recipe=each)) for each in (OnnxNncf(), OnnxStatic())]
    assert modules == ["crossrt.exporters.quantizers.nncf.quantize", "crossrt.exporters.quantize"]


def test_smoothing_is_for_transformers():
    assert "transformer = true" in impossible(OnnxNncf(smooth_quant_alpha=0.5))
    assert impossible(OnnxNncf(smooth_quant_alpha=0.5, transformer=True)) is None


def test_samples_that_validate_are_drawn_with_those_that_calibrate():
    assert OnnxNncf(calibration_samples=10).calibrated_with == (10, 0)
    assert OnnxNncf(calibration_samples=10, accuracy_control=True, validation_samples=5).calibrated_with == (15, 0)
    assert OnnxNncfWeights().calibrated_with is None
    assert OnnxNncfWeights(awq=True, calibration_samples=7).calibrated_with == (7, 0)
