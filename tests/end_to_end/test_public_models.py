"""Models that nobody here made: inspected, run, and compared across runtimes, as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Report

sys.path.insert(0, str(Path(__file__).parent))
from packages import taken

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SHORT = ("--rounds", 2, "--time", 20)
PITCH = "basic_pitch/saved_models/icassp_2022/nmp"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture
def crossrt(tmp_path):
    def run(*arguments) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CROSSRT, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )

    return run


@pytest.fixture
def bench(crossrt, tmp_path):
    def run(*arguments) -> Report:
        done = crossrt("bench", *arguments, *SHORT)
        assert done.returncode == 0, done.stdout + done.stderr
        (found,) = (tmp_path / "results").glob("*/report.json")
        return read_report(found)

    return run


def inspected(crossrt, path: Path) -> dict:
    done = crossrt("inspect", path, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_channels_first_model_with_a_fixed_batch(crossrt, bench, downloads):
    path = taken("qonnx", "qonnx/data/onnx/mnist-conv/model.onnx", downloads)
    found = inspected(crossrt, path)
    assert found["opset"] == 8
    assert found["inputs"][0]["shape"] == [1, 1, 28, 28]
    assert found["batching"]["size"] == 1
    report = bench(path)
    assert report.data.is_random
    assert [result.status for result in report.results] == ["ok"]


def test_the_same_network_in_two_formats_agrees_to_rounding(bench, downloads):
    paths = [taken("basic-pitch", f"{PITCH}.{suffix}", downloads) for suffix in ("onnx", "tflite")]
    report = bench(*paths, "--samples", 8)
    assert {result.runtime for result in report.results} == {"ort-cpu", "tflite"}
    other = next(result.evaluation for result in report.results if result.runtime == "tflite")
    assert len(other.outputs) == 3
    assert all(each.relative < 1e-4 for each in other.outputs)
    assert any("matched by their values" in note for note in other.notes)
    assert report.distances[0].relative < 1e-4


def test_recurrent_model_with_a_state_and_a_scalar(crossrt, bench, downloads, tmp_path):
    path = taken("silero-vad", "silero_vad/data/silero_vad.onnx", downloads)
    refused = crossrt("bench", path, *SHORT)
    assert refused.returncode == 2
    assert "--dim" in refused.stderr
    assert "Traceback" not in refused.stderr
    audio = np.random.default_rng(0).normal(0, 0.1, (16, 512)).astype(np.float32)
    np.savez(tmp_path / "audio.npz", input=audio, state=np.zeros((16, 2, 1, 128), np.float32), sr=np.int64(16_000))
    report = bench(path, "--data", "audio.npz")
    evaluation = report.results[0].evaluation
    assert {each.output for each in evaluation.outputs} >= {"output"}
    assert evaluation.samples == 16


def test_model_of_integer_inputs(crossrt, bench, downloads, tmp_path):
    path = taken("magika", "magika/models/standard_v3_3/model.onnx", downloads)
    assert inspected(crossrt, path)["inputs"][0]["dtype"] == "int32"
    contents = np.random.default_rng(0).integers(0, 256, (32, 2048), dtype=np.int32)
    np.savez(tmp_path / "bytes.npz", bytes=contents)
    report = bench(path, "--data", "bytes.npz", "--task", "agreement")
    assert [result.status for result in report.results] == ["ok"]
    wrong = crossrt("bench", path, "--data", "bytes64.npz")
    assert wrong.returncode == 2
    np.savez(tmp_path / "bytes64.npz", bytes=contents.astype(np.int64))
    wrong = crossrt("bench", path, "--data", "bytes64.npz")
    assert wrong.returncode == 2
    assert 'astype("int32")' in wrong.stderr


def test_dynamic_sizes_are_bound_by_name_or_by_the_data(crossrt, bench, downloads):
    member = "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"
    path = taken("rapidocr-onnxruntime", member, downloads)
    refused = crossrt("bench", path, *SHORT)
    assert refused.returncode == 2
    assert "x[2]" in refused.stderr
    report = bench(path, "--dim", "x[2]=48", "--dim", "x[3]=192")
    assert report.dimensions == {"x[2]": 48, "x[3]": 192}
    assert [result.status for result in report.results] == ["ok"]


def test_quantized_transformer_is_recognized_and_run_as_it_is(crossrt, bench, downloads):
    path = taken("pipecat-ai", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx", downloads)
    found = inspected(crossrt, path)
    assert found["role"] == "quantized"
    assert found["quantization"]["scheme"] == "static"
    report = bench(path, "--samples", 8)
    assert report.artifacts[0].role == "quantized"
    assert [result.status for result in report.results] == ["ok"]
