"""What the shipped adapters do beyond the conformance suite."""

from dataclasses import replace
from pathlib import Path

import pytest

import crossrt.runtimes.ort
from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
BOTH = [("ort-cpu", "conv.fp32.onnx"), ("tflite", "conv.fp32.tflite")]


def artifact_of(model):
    return read_manifest(MODELS / model / ARTIFACT_MANIFEST, ModelArtifact)


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
    load = crossrt.runtimes.ort._load
    monkeypatch.setattr(crossrt.runtimes.ort, "_load", lambda *arguments: loads.append(arguments) or load(*arguments))
    with get_runtime("ort-cpu").prepare(artifact_of("conv.fp32.onnx"), SessionOptions()) as session:
        operators = session.executed_operators()
        profile = session.profile(1)
        assert len(loads) == 2  # the session, and one beside it that is profiled
        assert tuple(kernel.operator for kernel in profile.kernels) == operators
        session.profile(5)
        assert len(loads) == 3
