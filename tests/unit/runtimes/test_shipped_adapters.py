"""What the shipped adapters do beyond the conformance suite."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import crossrt.runtimes.ort.adapter
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.conformance.plugin import MODELS as CONFORMANCE
from crossrt.runtimes.errors import ModelRefusedError, RunFailedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
BOTH = [("ort-cpu", "conv.fp32.onnx"), ("tflite", "conv.fp32.tflite")]


def artifact_of(model):
    folder = next(root for root in (MODELS, CONFORMANCE) if (root / model).is_dir())
    return read_manifest(folder / model / ARTIFACT_MANIFEST, ModelArtifact)


def test_tflite_says_that_it_runs_one_operator_at_a_time():
    reason = get_runtime("tflite").unsupported_reason(
        artifact_of("conv.fp32.tflite"), SessionOptions(inter_op_threads=4)
    )
    assert reason == "runs one operator at a time: inter_op_threads must be 1, found 4"


@pytest.mark.parametrize(("runtime", "model"), BOTH)
def test_operators_are_read_without_leaving_files(runtime, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with get_runtime(runtime).prepare(artifact_of(model), SessionOptions()) as session:
        session.executed_operators()
    assert list(tmp_path.iterdir()) == []


def test_ort_names_the_operators_in_the_order_in_which_they_run():
    with get_runtime("ort-cpu").prepare(artifact_of("conv.fp32.onnx"), SessionOptions()) as session:
        operators = session.executed_operators()
    assert [name for name in operators if name in ("Conv", "FusedConv", "Gemm")][-1] == "Gemm"
    assert "Relu" not in operators


def test_tflite_leaves_out_operators_that_the_delegate_took_over():
    with get_runtime("tflite").prepare(artifact_of("conv.fp32.tflite"), SessionOptions()) as session:
        operators = session.executed_operators()
    assert "DELEGATE" in operators
    assert "CONV_2D" not in operators


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize(("runtime", "model"), BOTH)
def test_a_record_that_names_another_tensor_is_refused(runtime, model, side):
    artifact = artifact_of(model)
    renamed = (replace(getattr(artifact, side)[0], name="other"),)
    with pytest.raises(ModelRefusedError, match="other"):
        get_runtime(runtime).prepare(replace(artifact, **{side: renamed}), SessionOptions())


def test_ort_is_profiled_once_for_operators_and_kernels(monkeypatch):
    loads = []
    load = crossrt.runtimes.ort.adapter._load
    monkeypatch.setattr(
        crossrt.runtimes.ort.adapter, "_load", lambda *arguments: loads.append(arguments) or load(*arguments)
    )
    with get_runtime("ort-cpu").prepare(artifact_of("conv.fp32.onnx"), SessionOptions()) as session:
        operators = session.executed_operators()
        profile = session.profile(1)
        assert len(loads) == 2  # the session, and one beside it that is profiled
        assert tuple(kernel.operator for kernel in profile.kernels) == operators
        session.profile(5)
        assert len(loads) == 3


def test_tflite_says_that_it_does_not_take_text():
    words = TensorSpec(name="words", dtype="str", shape=("batch",))
    artifact = replace(artifact_of("conv.fp32.tflite"), inputs=(words,))
    reason = get_runtime("tflite").unsupported_reason(artifact, SessionOptions())
    assert reason == "does not support text, the dtype of the input words"


def test_tflite_fails_on_an_index_that_is_out_of_range_in_one_line():
    artifact = artifact_of("tokens.int64.tflite")
    feeds = {"tokens": np.full((1, 4), 99), "pixels": np.zeros((1, 3), np.uint8)}
    options = SessionOptions(dimensions={"tokens[1]": 4})
    with get_runtime("tflite").prepare(artifact, options) as session, pytest.raises(RunFailedError) as failed:
        session.run(feeds)
    assert str(failed.value).startswith("model.tflite was loaded and cannot be run: ")
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("change", [{"dtype": "int32"}, {"shape": ("batch", 28, 28, 3)}, {"shape": ("batch", 28)}])
def test_tflite_refuses_a_record_that_says_another_dtype_or_shape(change):
    artifact = artifact_of("conv.fp32.tflite")
    said = replace(artifact, inputs=(replace(artifact.inputs[0], **change),))
    with pytest.raises(ModelRefusedError, match=r"takes image float32 \(\?, 28, 28, 1\); its record says image"):
        get_runtime("tflite").prepare(said, SessionOptions())


def test_tflite_runs_the_default_signature_where_it_is_not_the_first():
    with get_runtime("tflite").prepare(artifact_of("signatures.fp32.tflite"), SessionOptions()) as session:
        assert session.profile(1) is None  # LiteRT lists the operators of the first graph only
        assert session.run({"x": np.zeros((1, 6), np.float32)})["y"].tolist() == [[0, 0, 0, 0]]
