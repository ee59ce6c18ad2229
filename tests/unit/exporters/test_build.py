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

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers, sha256_of
from crossrt.core.manifest import ARTIFACT_MANIFEST, REFERENCE_MANIFEST, check_file, read_manifest
from crossrt.exporters.jobs import BuildJob
from crossrt.exporters.variants import shipped_recipes

HERE = Path(__file__).parent
VARIANTS = ("fp32.onnx", "int8-qdq.onnx", "int8-io.tflite")
FROM_KERAS = ("reference", "no-such-variant.onnx", "fp32.onnx", "fp32.keras", "int8-io.tflite")
FROM_ONNX = ("w4.onnx", "int8-qdq.onnx", "int8-qdq-entropy.onnx")
SAMPLES, CALIBRATION = 700, 120

MAKE_MODEL = """
import sys
from crossrt.exporters.tf import environment
import keras
from keras import layers
keras.utils.set_random_seed(0)
image, hint = keras.Input((12, 12, 1), name="image"), keras.Input((4,), name="hint")
hidden = layers.Conv2D(32, 3, use_bias=False)(image)
hidden = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(hidden)))
hidden = layers.Concatenate()([layers.Flatten()(hidden), hint])
hidden = layers.Dense(64, activation="relu", bias_initializer="random_normal")(hidden)
outputs = [layers.Dense(size, name=name, bias_initializer="random_normal")(hidden)
           for name, size in {"logits": 7, "size": 2}.items()]
keras.Model([image, hint], outputs).save(sys.argv[1])
"""


def draw(count, seed):
    generator = np.random.default_rng(seed)
    image = generator.random((count, 12, 12, 1), dtype=np.float32)
    return {"image": image, "hint": generator.normal(size=(count, 4)).astype(np.float32)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A Keras model with two inputs and two outputs, and data for it."""
    folder = tmp_path_factory.mktemp("model")
    np.savez(folder / "test.npz", **draw(SAMPLES, 0))
    np.savez(folder / "train.npz", **draw(CALIBRATION, 1))
    subprocess.run([sys.executable, "-P", "-c", MAKE_MODEL, str(folder / "my.net.keras")], check=True)
    return folder / "my.net.keras"


def build(folder, source, items, module="crossrt.exporters.build", variables=None, **fields) -> tuple[int, list[dict]]:
    recipes = {each.item: msgspec.to_builtins(each.recipe) for each in shipped_recipes() if each.item in items}
    job = BuildJob(
        model="my-net",
        source=str(source),
        source_sha256="d" * 64,
        folder=str(folder),
        items=list(items),
        recipes=recipes,
        **{"kind": "keras", **fields},
    )
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "with_arrays.py"), module],
        input=json.dumps(dataclasses.asdict(job)) + "\n",
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **(variables or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def data(model, name):
    return {"reference": str(model.with_name(f"{name}.npz"))}


@pytest.fixture(scope="module")
def built(model, tmp_path_factory):
    """A folder in which the model was built, and the events of that."""
    folder = tmp_path_factory.mktemp("built")
    status, events = build(
        folder, model, FROM_KERAS, data=data(model, "test"), calibration=data(model, "train"), samples=600
    )
    assert status == 0, events
    return folder, events


@pytest.fixture(scope="module")
def quantized(model, built, tmp_path_factory):
    """The same folder, in which the float file was quantized as well, and the events of that."""
    folder, _ = built
    scratch = tmp_path_factory.mktemp("scratch")
    source = scratch / "float.onnx"
    source.write_bytes((folder / "fp32.onnx" / "my-net.fp32.onnx").read_bytes())
    broken = tmp_path_factory.mktemp("broken")
    for name in ("tensorflow", "keras"):
        (broken / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    status, events = build(
        folder,
        source,
        FROM_ONNX,
        "crossrt.exporters.quantize",
        {"PYTHONPATH": str(broken)},
        kind="onnx",
        calibration=data(model, "train"),
    )
    assert status == 0, events
    assert [path.name for path in scratch.iterdir()] == ["float.onnx"]
    return folder, events


@pytest.fixture(scope="module")
def artifacts(quantized) -> dict[str, ModelArtifact]:
    folder, _ = quantized
    return {item: read_manifest(folder / item / ARTIFACT_MANIFEST, ModelArtifact) for item in VARIANTS}


@pytest.fixture(scope="module")
def reference(built) -> ReferenceAnswers:
    folder, _ = built
    return read_manifest(folder / "reference" / REFERENCE_MANIFEST, ReferenceAnswers)


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
    assert artifact.id == f"my-net.{item}"
    assert artifact.path.name == f"my-net.{item}"
    assert artifact.size_bytes == artifact.path.stat().st_size
    assert artifact.source_sha256 == "d" * 64


@pytest.mark.parametrize("item", VARIANTS)
def test_inputs_and_outputs_have_the_names_and_the_order_of_the_model(artifacts, item):
    found = artifacts[item]
    assert [(spec.name, spec.shape) for spec in found.inputs] == [
        ("image", ("batch", 12, 12, 1)),
        ("hint", ("batch", 4)),
    ]
    assert [(spec.name, spec.shape) for spec in found.outputs] == [("logits", ("batch", 7)), ("size", ("batch", 2))]
    assert (found.batching.dimension, dict(found.batching.axes)) == ("batch", {"image": 0, "hint": 0})


def test_the_role_says_which_files_compute_in_float(artifacts):
    assert [artifacts[item].role for item in VARIANTS] == ["float", "quantized", "quantized"]


@pytest.mark.parametrize("item", ["fp32.onnx", "int8-qdq.onnx"])
def test_onnx_files_take_and_give_float32(artifacts, item):
    specs = (*artifacts[item].inputs, *artifacts[item].outputs)
    assert {(spec.dtype, spec.scale, spec.zero_point) for spec in specs} == {("float32", None, None)}


def test_int8_io_takes_and_gives_int8_with_its_scale(artifacts):
    (image, _), (logits, _) = artifacts["int8-io.tflite"].inputs, artifacts["int8-io.tflite"].outputs
    assert (image.dtype, image.zero_point) == ("int8", -128)
    assert image.scale == pytest.approx(1 / 255, rel=0.01)
    assert logits.dtype == "int8"
    assert logits.scale > 0


@pytest.mark.parametrize("item", VARIANTS)
def test_folder_holds_the_model_and_its_manifest_alone(quantized, item):
    folder, _ = quantized
    assert {path.name for path in (folder / item).iterdir()} == {f"my-net.{item}", ARTIFACT_MANIFEST}


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
    assert (found["Conv"], found["Gemm"] or found["MatMul"]) == (1, 3)
    assert not {"BatchNormalization", "Shape", "QuantizeLinear", "DequantizeLinear"} & found.keys()


def test_qdq_graph_quantizes_around_every_layer(artifacts):
    found = operators(artifacts["int8-qdq.onnx"])
    assert found["QuantizeLinear"] >= 5
    assert found["DequantizeLinear"] > found["QuantizeLinear"]
    assert (found["Conv"], found["Gemm"]) == (1, 3)


def test_qdq_weights_are_int8_per_channel(artifacts):
    graph = onnx.load(artifacts["int8-qdq.onnx"].path).graph
    weights = [each for each in graph.initializer if len(each.dims) == 4]
    assert [each.data_type for each in weights] == [onnx.TensorProto.INT8]
    scales = {each.name: list(each.dims) for each in graph.initializer if each.name.endswith("_scale")}
    assert [32] in scales.values()
    assert [64] in scales.values()


def test_int8_io_file_holds_int8_tensors_with_the_scales_of_its_manifest(interpreter, artifacts):
    runner = interpreter.get_signature_runner("serve")
    details = {**runner.get_input_details(), **runner.get_output_details()}
    found = {name: (np.dtype(each["dtype"]).name, *each["quantization"]) for name, each in details.items()}
    specs = (*artifacts["int8-io.tflite"].inputs, *artifacts["int8-io.tflite"].outputs)
    assert found == {spec.name: (spec.dtype, spec.scale, spec.zero_point) for spec in specs}


def test_int8_io_weights_are_int8_per_channel(interpreter):
    weights = [each for each in interpreter.get_tensor_details() if len(each["shape"]) == 4 and each["shape"][1] == 3]
    assert {np.dtype(each["dtype"]) for each in weights} == {np.dtype(np.int8)}
    assert [len(each["quantization_parameters"]["scales"]) for each in weights] == [32]


@pytest.mark.parametrize("item", ["int8-qdq.onnx", "int8-io.tflite"])
def test_quantized_files_are_a_fraction_of_the_float_file(artifacts, item):
    assert artifacts[item].size_bytes < 0.4 * artifacts["fp32.onnx"].size_bytes


@pytest.mark.parametrize("item", ["int8-qdq.onnx", "int8-io.tflite"])
def test_manifest_says_how_the_file_was_quantized_and_by_how_many_samples(artifacts, item):
    how = artifacts[item].quantization
    assert (how.scheme, how.calibration_method, how.weight_type) == ("static", "minmax", "int8")
    assert how.granularity == "per-channel"
    assert (how.calibration_samples, len(how.calibration_sha256)) == (CALIBRATION, 64)
    assert how.recipe["calibration_samples"] == 1000
    assert artifacts["fp32.onnx"].quantization is None
    assert artifacts["int8-io.tflite"].quantization.io_dtype == "int8"


def test_reference_answers_are_the_models_own(model, reference, artifacts):
    import onnxruntime

    check_file(reference)
    session = onnxruntime.InferenceSession(str(artifacts["fp32.onnx"].path), providers=["CPUExecutionProvider"])
    feeds = {name: each[:600] for name, each in draw(SAMPLES, 0).items()}
    logits, size = session.run(["logits", "size"], feeds)
    with np.load(reference.path, allow_pickle=False) as answers:
        assert set(answers) == {"logits", "size"}
        np.testing.assert_allclose(answers["logits"], logits, atol=1e-5)
        np.testing.assert_allclose(answers["size"], size, atol=1e-5)
    assert (reference.samples, reference.source_sha256) == (600, "d" * 64)
    assert reference.data_fingerprint == sha256_of(model.with_name("test.npz"))


def test_an_unknown_model_file_fails_the_job(tmp_path):
    status, events = build(tmp_path, tmp_path / "nothing.keras", ["fp32.onnx"])
    assert status == 1
    assert [event["event"] for event in events] == ["failed"]
    assert str(tmp_path / "nothing.keras") in events[0]["reason"]


def test_an_onnx_file_cannot_be_built_from(tmp_path, artifacts):
    status, events = build(tmp_path, artifacts["fp32.onnx"].path, ["fp32.onnx"])
    assert status == 1
    assert "is not a Keras model or a SavedModel: it is onnx" in events[0]["reason"]


def test_static_recipes_fail_without_calibration_data_and_others_do_not(tmp_path, artifacts):
    source = tmp_path / "float.onnx"
    source.write_bytes(artifacts["fp32.onnx"].path.read_bytes())
    items = ["int8-qdq.onnx", "int8-dynamic.onnx"]
    status, events = build(tmp_path, source, items, "crossrt.exporters.quantize", kind="onnx")
    ends = {event["item"]: event for event in events if event["event"] in ("built", "item_failed")}
    assert status == 0
    assert ends["int8-qdq.onnx"]["reason"] == "needs --calibration DATA"
    assert ends["int8-dynamic.onnx"]["event"] == "built"


def inspected(path, **fields):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "crossrt.exporters.inspect"],
        input=json.dumps({"path": str(path), **fields}) + "\n",
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_the_inspecting_process_answers_with_a_record(artifacts):
    from crossrt.exporters.inspection import Inspection

    path = artifacts["int8-qdq.onnx"].path
    status, events = inspected(path)
    assert (status, [event["event"] for event in events]) == (0, ["inspected", "finished"])
    found = msgspec.convert(events[0]["inspection"], Inspection)
    assert (found.kind, found.sha256, found.role) == ("onnx", sha256_of(path), "quantized")
    assert found.inputs == artifacts["int8-qdq.onnx"].inputs
    assert found.artifact("net", "given").batching == artifacts["int8-qdq.onnx"].batching


def test_the_inspecting_process_says_why_it_cannot(tmp_path):
    status, events = inspected(tmp_path / "none.onnx")
    assert (status, events[0]["event"]) == (1, "failed")
    assert "none.onnx does not exist" in events[0]["reason"]


def test_what_a_runtime_for_keras_files_gets_is_the_users_own_file(model, built):
    folder, _ = built
    found, exported = (
        read_manifest(folder / item / ARTIFACT_MANIFEST, ModelArtifact) for item in ("fp32.keras", "fp32.onnx")
    )
    assert found.path.read_bytes() == model.read_bytes()
    assert (found.format, found.role, found.id) == ("keras", "float", "my-net.fp32.keras")
    assert (found.inputs, found.batching) == (exported.inputs, exported.batching)
    assert [spec.name for spec in found.outputs] == [spec.name for spec in exported.outputs]
