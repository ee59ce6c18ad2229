"""Building for real, with TensorFlow, in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import Interpreter

from crossrt.core.artifact import ModelArtifact, ReferenceLogits, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, REFERENCE_MANIFEST, check_file, read_manifest
from crossrt.datasets.mnist.digits import shipped, shipped_sha256
from crossrt.exporters.jobs import BuildJob
from crossrt.exporters.sources.keras_file import SHIPPED_MODEL
from crossrt.exporters.variants import shipped_recipes

VARIANTS = ("fp32.onnx", "int8-qdq.onnx", "int8-io.tflite")
FROM_KERAS = ("reference", "no-such-variant.onnx", "fp32.onnx", "int8-io.tflite")
FROM_ONNX = ("w4.onnx", "int8-qdq.onnx", "int8-qdq-entropy.onnx")


def build(folder: Path, source: Path, items, module="crossrt.exporters.build", **variables) -> tuple[int, list[dict]]:
    recipes = {each.item: msgspec.to_builtins(each.recipe) for each in shipped_recipes() if each.item in items}
    job = BuildJob(
        model="mnist-cnn",
        model_sha256=sha256_of(SHIPPED_MODEL),
        source=str(source),
        folder=str(folder),
        items=list(items),
        recipes=recipes,
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=json.dumps(dataclasses.asdict(job)) + "\n",
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder in which the shipped model was built, and the events of that."""
    folder = tmp_path_factory.mktemp("built")
    status, events = build(folder, SHIPPED_MODEL, FROM_KERAS)
    assert status == 0, events
    return folder, events


@pytest.fixture(scope="module")
def quantized(built, tmp_path_factory):
    """The same folder, in which the float32 file was quantized as well, and the events of that."""
    folder, _ = built
    scratch = tmp_path_factory.mktemp("scratch")
    source = scratch / "float.onnx"
    source.write_bytes((folder / "fp32.onnx" / "mnist-cnn.fp32.onnx").read_bytes())
    broken = tmp_path_factory.mktemp("broken")
    for name in ("tensorflow", "keras"):
        (broken / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    status, events = build(folder, source, FROM_ONNX, "crossrt.exporters.quantize", PYTHONPATH=str(broken))
    assert status == 0, events
    assert [path.name for path in scratch.iterdir()] == ["float.onnx"]
    return folder, events


@pytest.fixture(scope="module")
def artifacts(quantized) -> dict[str, ModelArtifact]:
    folder, _ = quantized
    return {item: read_manifest(folder / item / ARTIFACT_MANIFEST, ModelArtifact) for item in VARIANTS}


@pytest.fixture(scope="module")
def reference(built) -> ReferenceLogits:
    folder, _ = built
    return read_manifest(folder / "reference" / REFERENCE_MANIFEST, ReferenceLogits)


@pytest.fixture(scope="module")
def interpreter(artifacts) -> Interpreter:
    found = Interpreter(model_path=str(artifacts["int8-io.tflite"].path), num_threads=1)
    found.allocate_tensors()
    return found


def operators(artifact: ModelArtifact) -> Counter:
    return Counter(node.op_type for node in onnx.load(artifact.path).graph.node)


def test_every_item_is_announced_and_reported(built):
    _, events = built
    told = [(event["event"], event.get("item")) for event in events]
    ends = {"no-such-variant.onnx": "item_failed"}
    assert told[:-1] == [(event, item) for item in FROM_KERAS for event in ("building", ends.get(item, "built"))]
    assert told[-1] == ("finished", None)


def test_an_item_that_fails_does_not_stop_the_others(built):
    folder, events = built
    assert [event["item"] for event in events if event["event"] == "item_failed"] == ["no-such-variant.onnx"]
    assert all((folder / item / ARTIFACT_MANIFEST).is_file() for item in ("fp32.onnx", "int8-io.tflite"))


def test_the_quantizing_process_needs_no_tensorflow(quantized):
    _, events = quantized
    told = [(event["event"], event.get("item")) for event in events]
    assert told == [(e, item) for item in FROM_ONNX for e in ("building", "built")] + [("finished", None)]


@pytest.mark.parametrize("item", VARIANTS)
def test_manifest_describes_its_file(artifacts, item):
    artifact = artifacts[item]
    check_file(artifact)
    assert artifact.id == f"mnist-cnn.{item}"
    assert artifact.path.name == f"mnist-cnn.{item}"
    assert artifact.size_bytes == artifact.path.stat().st_size
    assert artifact.model_sha256 == sha256_of(SHIPPED_MODEL)


@pytest.mark.parametrize("item", VARIANTS)
def test_tensors_have_stable_names_and_a_dynamic_batch(artifacts, item):
    (image,), (logits,) = artifacts[item].inputs, artifacts[item].outputs
    assert (image.name, image.shape) == ("image", (None, 28, 28, 1))
    assert (logits.name, logits.shape) == ("logits", (None, 10))


@pytest.mark.parametrize("item", ["fp32.onnx", "int8-qdq.onnx"])
def test_onnx_files_take_and_give_float32(artifacts, item):
    specs = (*artifacts[item].inputs, *artifacts[item].outputs)
    assert {(spec.dtype, spec.scale, spec.zero_point) for spec in specs} == {("float32", None, None)}


def test_int8_io_takes_and_gives_int8_with_its_scale(artifacts):
    (image,), (logits,) = artifacts["int8-io.tflite"].inputs, artifacts["int8-io.tflite"].outputs
    assert (image.dtype, image.zero_point) == ("int8", -128)
    assert image.scale == pytest.approx(1 / 255)
    assert logits.dtype == "int8"
    assert logits.scale > 0


@pytest.mark.parametrize("item", VARIANTS)
def test_folder_holds_the_model_and_its_manifest_alone(quantized, item):
    folder, _ = quantized
    assert {path.name for path in (folder / item).iterdir()} == {f"mnist-cnn.{item}", ARTIFACT_MANIFEST}


@pytest.mark.parametrize("item", VARIANTS)
def test_producer_names_the_converters(artifacts, item):
    assert {"keras", "numpy", "onnx", "onnxruntime", "tf2onnx"} <= artifacts[item].producer.keys()


@pytest.mark.parametrize("item", ["fp32.onnx", "int8-qdq.onnx"])
def test_onnx_files_are_valid_and_name_their_batch_dimension(artifacts, item):
    model = onnx.load(artifacts[item].path)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_float_graph_is_fused_and_free_of_quantization(artifacts):
    found = operators(artifacts["fp32.onnx"])
    assert (found["Conv"], found["Gemm"] or found["MatMul"]) == (2, 2)
    assert not {"BatchNormalization", "Shape", "QuantizeLinear", "DequantizeLinear"} & found.keys()


def test_qdq_graph_quantizes_around_every_layer(artifacts):
    found = operators(artifacts["int8-qdq.onnx"])
    assert found["QuantizeLinear"] >= 5
    assert found["DequantizeLinear"] > found["QuantizeLinear"]
    assert (found["Conv"], found["Gemm"]) == (2, 2)


def test_qdq_weights_are_int8_per_channel(artifacts):
    graph = onnx.load(artifacts["int8-qdq.onnx"].path).graph
    weights = [each for each in graph.initializer if len(each.dims) == 4]
    assert [each.data_type for each in weights] == [onnx.TensorProto.INT8] * 2
    scales = {each.name: list(each.dims) for each in graph.initializer if each.name.endswith("_scale")}
    assert [32] in scales.values()
    assert [64] in scales.values()


def test_int8_io_file_holds_int8_tensors_with_the_scales_of_its_manifest(interpreter, artifacts):
    details = (*interpreter.get_input_details(), *interpreter.get_output_details())
    specs = (*artifacts["int8-io.tflite"].inputs, *artifacts["int8-io.tflite"].outputs)
    found = [(np.dtype(each["dtype"]).name, *each["quantization"]) for each in details]
    assert found == [(spec.dtype, spec.scale, spec.zero_point) for spec in specs]


def test_int8_io_weights_are_int8_per_channel(interpreter):
    weights = [each for each in interpreter.get_tensor_details() if len(each["shape"]) == 4 and each["shape"][1] == 3]
    assert {np.dtype(each["dtype"]) for each in weights} == {np.dtype(np.int8)}
    assert sorted(len(each["quantization_parameters"]["scales"]) for each in weights) == [32, 64]


@pytest.mark.parametrize("item", ["int8-qdq.onnx", "int8-io.tflite"])
def test_quantized_files_are_a_fraction_of_the_float_file(artifacts, item):
    assert artifacts[item].size_bytes < 0.4 * artifacts["fp32.onnx"].size_bytes


def test_manifest_says_how_the_file_was_quantized(artifacts):
    how = artifacts["int8-qdq.onnx"].quantization
    assert (how.scheme, how.representation, how.calibration_method) == ("static", "qdq", "minmax")
    assert (how.activation_type, how.weight_type, how.granularity) == ("uint8", "int8", "per-channel")
    assert (how.calibration_samples, len(how.calibration_sha256)) == (1000, 64)
    assert artifacts["fp32.onnx"].quantization is None
    assert artifacts["int8-io.tflite"].quantization.io_dtype == "int8"


def test_reference_answers_are_the_models_own(reference):
    check_file(reference)
    logits = np.load(reference.path, allow_pickle=False)
    assert (logits.dtype, logits.shape) == (np.float32, (10_000, 10))
    assert (logits.argmax(axis=1) == shipped("test").labels).mean() > 0.99
    assert reference.model_sha256 == sha256_of(SHIPPED_MODEL)
    assert reference.data_sha256 == shipped_sha256("test")


def test_an_unknown_model_file_fails_the_job(tmp_path):
    status, events = build(tmp_path, tmp_path / "nothing.keras", ["fp32.onnx"])
    assert status == 1
    assert [event["event"] for event in events] == ["failed"]
    assert str(tmp_path / "nothing.keras") in events[0]["reason"]
