"""OpenVINO's adapter beyond the conformance suite."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'crossrt[openvino]'")

from crossrt.core.artifact import ModelArtifact, Quantization
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.runtimes.conformance.plugin import MODELS as CONFORMANCE
from crossrt.runtimes.errors import ModelRefusedError, OptionRefusedError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

MODELS = Path(__file__).parents[2] / "data" / "models"
ONE = SessionOptions()


def artifact_of(model):
    folder = next(root for root in (MODELS, CONFORMANCE) if (root / model).is_dir())
    return read_manifest(folder / model / ARTIFACT_MANIFEST, ModelArtifact)


@pytest.fixture(scope="module")
def runtime():
    return get_runtime("openvino")


@pytest.fixture
def session(runtime):
    with runtime.prepare(artifact_of("conv.fp32.onnx"), ONE) as session:
        yield session


def told(session, name):
    return session._request.get_compiled_model().get_property(name)


def test_floats_are_computed_in_float32_whatever_the_processor_has(session):
    assert told(session, "INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_a_request_has_one_stream_the_threads_asked_for_and_no_pinning(session):
    assert told(session, "PERFORMANCE_HINT") == "LATENCY"
    assert told(session, "NUM_STREAMS") == 1
    assert told(session, "INFERENCE_NUM_THREADS") == 1
    assert told(session, "ENABLE_CPU_PINNING") is False


def test_more_threads_than_processors_are_unsupported_and_refused(runtime, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    artifact, many = artifact_of("conv.fp32.onnx"), SessionOptions(intra_op_threads=5)
    reason = runtime.unsupported_reason(artifact, many)
    assert reason == "starts one thread a processor: intra_op_threads must be at most 2 here, found 5"
    with pytest.raises(OptionRefusedError, match="where 4096 were asked for"):
        runtime.prepare(artifact, SessionOptions(intra_op_threads=4096))


def test_qoperator_files_are_unsupported(runtime):
    how = Quantization(
        scheme="static",
        representation="qoperator",
        activation_type="uint8",
        weight_type="int8",
        granularity="per-tensor",
    )
    reason = runtime.unsupported_reason(replace(artifact_of("conv.fp32.onnx"), quantization=how), ONE)
    assert reason == "refuses most QOperator files and answers others wrongly: quantize as QDQ"


def test_a_profile_is_of_what_a_call_runs_and_names_the_primitives(session):
    session.run({"image": np.ones((1, 28, 28, 1), np.float32)})
    profile = session.profile(3)
    found = {kernel.operator: kernel for kernel in profile.kernels}
    assert found["Convolution"].kind == found["FullyConnected"].kind == "float"
    assert found["Convolution"].delegate
    assert found["Reorder"].kind == "layout"
    assert not {"Const", "Input", "Output", "Transpose"} & found.keys()  # the weights are transposed once
    assert tuple(kernel.operator for kernel in profile.kernels) == session.executed_operators()


def test_a_refusal_says_what_openvino_found_and_not_where(runtime, tmp_path):
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(ModelRefusedError) as refused:
        runtime.prepare(replace(artifact_of("conv.fp32.onnx"), path=broken), ONE)
    message = str(refused.value)
    assert message.startswith("OpenVINO cannot load model.onnx: ")
    assert "Exception from" not in message
    assert len(message) > len("OpenVINO cannot load model.onnx: ")


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_record_that_names_another_tensor_is_refused(runtime, side):
    artifact = artifact_of("conv.fp32.onnx")
    renamed = (replace(getattr(artifact, side)[0], name="other"),)
    with pytest.raises(ModelRefusedError, match="other"):
        runtime.prepare(replace(artifact, **{side: renamed}), ONE)


def test_a_record_that_says_another_shape_is_refused(runtime):
    artifact = artifact_of("conv.fp32.onnx")
    said = replace(artifact, inputs=(replace(artifact.inputs[0], shape=("batch", 28, 28, 3)),))
    with pytest.raises(ModelRefusedError, match=r"takes image float32 \(\?, 28, 28, 1\); its record says image"):
        runtime.prepare(said, ONE)


def test_importing_it_loads_no_telemetry():
    found = "sorted(m for m in sys.modules if 'telemetry' in m.split('.')[0])"
    code = f"import sys, crossrt.runtimes.openvino.adapter; print({found})"
    assert subprocess.check_output([sys.executable, "-P", "-c", code], text=True) == "[]\n"
