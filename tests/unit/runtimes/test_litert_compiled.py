"""The adapter of LiteRT's `CompiledModel` beyond the conformance suite."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.core.tensor import Batching, TensorSpec
from crossrt.runtimes.conformance.plugin import MODELS as CONFORMANCE
from crossrt.runtimes.errors import ModelRefusedError, OptionRefusedError, RunFailedError
from crossrt.runtimes.litert.noise import without_noise
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import default_runtime_names, get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
ONE = SessionOptions()

WITHOUT_COMPILED_MODEL = """
import sys
sys.modules["ai_edge_litert.compiled_model"] = None
from crossrt.runtimes.errors import RuntimeNotInstalledError
from crossrt.runtimes.registry import get_runtime
try:
    get_runtime("litert-compiled")
except RuntimeNotInstalledError as error:
    print(error)
"""


@pytest.fixture
def runtime():
    return get_runtime("litert-compiled")


def artifact_of(model):
    folder = next(root for root in (MODELS, CONFORMANCE) if (root / model).is_dir())
    return read_manifest(folder / model / ARTIFACT_MANIFEST, ModelArtifact)


def child(code, *arguments):
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], env=os.environ, capture_output=True, text=True, check=True
    )


def test_it_runs_only_where_it_is_named():
    assert "litert-compiled" not in default_runtime_names()


def test_an_older_litert_gives_the_command_that_installs_a_newer_one():
    said = child(WITHOUT_COMPILED_MODEL).stdout
    assert said.startswith("litert-compiled needs ai-edge-litert>=2, found ")
    assert "install" in said


def test_what_it_looks_for_while_it_loads_is_not_printed(runtime, capfd):
    runtime.prepare(artifact_of("conv.fp32.tflite"), ONE).close()
    assert capfd.readouterr().err == ""


def test_what_else_is_printed_while_it_loads_is_passed_on(capfd):
    with without_noise():
        os.write(2, b"INFO: [environment.cc:36] Creating\nterminate called\n")
    assert capfd.readouterr().err == "terminate called\n"


@pytest.mark.parametrize("model", ["conv.fp32.tflite", "conv.int8-io.tflite", "signatures.fp32.tflite"])
def test_it_answers_like_the_interpreter(runtime, model):
    artifact = artifact_of(model)
    with get_runtime("tflite").prepare(artifact, ONE) as other, runtime.prepare(artifact, ONE) as session:
        feeds = {spec.name: np.random.default_rng(0).random(spec.shape).astype(np.float32) for spec in session.inputs}
        expected, found = other.run(feeds), session.run(feeds)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", ["delegate=none", "kernels=reference", "accelerator=cpu"])
def test_every_kernel_answers_alike(runtime, options):
    artifact, feeds = artifact_of("conv.fp32.tflite"), {"image": np.ones((1, 28, 28, 1), np.float32)}
    configured = get_runtime(f"litert-compiled:{options}")
    with runtime.prepare(artifact, ONE) as plain, configured.prepare(artifact, ONE) as session:
        np.testing.assert_allclose(session.run(feeds)["logits"], plain.run(feeds)["logits"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("kernels=reference,delegate=xnnpack", "kernels=reference runs without a delegate"),
        ("accelerator=gpu", "accelerator must be one of cpu"),
        ("delegate_clustering=off", "has no option 'delegate_clustering'"),
    ],
)
def test_options_that_it_lacks_or_that_contradict_each_other_are_refused(options, reason):
    with pytest.raises(OptionRefusedError, match=reason):
        get_runtime(f"litert-compiled:{options}")


def test_it_says_what_it_cannot_run(runtime):
    text = replace(artifact_of("conv.fp32.tflite"), inputs=(TensorSpec(name="words", dtype="str", shape=("batch",)),))
    assert runtime.unsupported_reason(text, ONE) == "does not support text, the dtype of the input words"
    empty = runtime.unsupported_reason(artifact_of("empty.fp32.tflite"), ONE)
    assert empty == "does not support tensors without elements, such as extra"
    side_by_side = runtime.unsupported_reason(artifact_of("conv.fp32.tflite"), SessionOptions(inter_op_threads=2))
    assert side_by_side == "runs one operator at a time: inter_op_threads must be 1, found 2"


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("change", [{"name": "other"}, {"dtype": "int32"}, {"shape": ("batch", 28)}])
def test_a_record_that_says_something_else_is_refused(runtime, side, change):
    artifact = artifact_of("conv.fp32.tflite")
    changed = (replace(getattr(artifact, side)[0], **change),)
    with pytest.raises(ModelRefusedError) as refused:
        runtime.prepare(replace(artifact, **{side: changed}), ONE)
    assert "\n" not in str(refused.value)
    assert ".cc:" not in str(refused.value)


def as_record(file, inputs, outputs):
    return replace(artifact_of("conv.fp32.tflite"), path=MODELS / file, inputs=inputs, outputs=outputs)


def spec(name, dtype, *shape):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


@pytest.mark.parametrize("batch_size", [1, 7, 33])
def test_outputs_whose_size_the_file_computes_from_the_batch_have_room(runtime, batch_size):
    outputs = (spec("y", "float32", "batch", 4), spec("signs", "int64", "batch", 6))
    artifact = as_record("flattened.tflite", (spec("x", "float32", "batch", 3, 2),), outputs)
    artifact = replace(artifact, batching=replace(artifact.batching, axes={"x": 0}))
    options, rng = SessionOptions(batch_size=batch_size), np.random.default_rng(0)
    with get_runtime("tflite").prepare(artifact, options) as other, runtime.prepare(artifact, options) as session:
        for _ in range(3):
            feeds = {"x": rng.normal(size=(batch_size, 3, 2)).astype(np.float32)}
            expected, found = other.run(feeds), session.run(feeds)
            np.testing.assert_allclose(found["y"], expected["y"], rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(found["signs"], expected["signs"])


def test_outputs_whose_size_only_a_run_can_tell_are_not_supported(runtime):
    artifact = as_record("masked.tflite", (spec("x", "float32", 6),), (spec("y", "float32", "y[0]"),))
    artifact = replace(artifact, batching=Batching(axes={}))
    reason = "does not support outputs whose size only a run can tell, such as y"
    assert runtime.unsupported_reason(artifact, ONE) == reason
    with pytest.raises(ModelRefusedError, match=reason):
        runtime.prepare(artifact, ONE)


def test_an_output_of_another_size_than_the_record_says_is_a_failure_and_never_old_values(runtime):
    artifact = as_record("masked.tflite", (spec("x", "float32", 6),), (spec("y", "float32", 1),))
    with runtime.prepare(replace(artifact, batching=Batching(axes={})), ONE) as session:
        with pytest.raises(RunFailedError, match=r"y came out as \(0\); its record says \(1\)"):
            session.run({"x": np.full(6, -1, np.float32)})
        assert session.run({"x": np.array([-1, -1, 5, -1, -1, -1], np.float32)})["y"].tolist() == [5]


def test_it_fails_on_an_index_that_is_out_of_range_in_one_line(runtime):
    artifact = artifact_of("tokens.int64.tflite")
    feeds = {"tokens": np.full((1, 4), 99), "pixels": np.zeros((1, 3), np.uint8)}
    options = SessionOptions(dimensions={"tokens[1]": 4})
    with runtime.prepare(artifact, options) as session, pytest.raises(RunFailedError) as failed:
        session.run(feeds)
    assert str(failed.value) == "model.tflite was loaded and cannot be run: Failed to invoke the compiled model"
