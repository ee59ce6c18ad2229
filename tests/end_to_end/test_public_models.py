"""Models that nobody here made: inspected, run, and compared across runtimes, as a user would."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Report

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
sys.path.insert(0, str(Path(__file__).parent))
from generator.blocks import blocks
from generator.outputs import missing
from packages import taken, wheel

ROOT = Path(__file__).parents[2]
CROSSRT = str(Path(sys.executable).with_name("crossrt"))
SHORT = ("--rounds", 1, "--time", 120)
PITCH = "basic_pitch/saved_models/icassp_2022/nmp"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture
def crossrt(tmp_path):
    def run(*arguments) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CROSSRT, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=1200
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


def without_signatures(path: Path, folder: Path) -> Path:
    """The same TFLite file as converters wrote it before there were signatures."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    assert model.signatureDefs
    model.signatureDefs = None
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    stripped = folder / f"{path.stem}-unsigned.tflite"
    stripped.write_bytes(builder.Output())
    return stripped


def test_tflite_file_without_signature_is_run_by_the_names_of_its_tensors(crossrt, bench, downloads, tmp_path):
    onnx, tflite = (taken("basic-pitch", f"{PITCH}.{suffix}", downloads) for suffix in ("onnx", "tflite"))
    unsigned = without_signatures(tflite, tmp_path)
    signed, found = inspected(crossrt, tflite), inspected(crossrt, unsigned)
    assert [each["shape"] for each in found["inputs"]] == [each["shape"] for each in signed["inputs"]]
    assert len(found["outputs"]) == 3
    report = bench(onnx, unsigned, "--samples", 8)
    assert [result.status for result in report.results] == ["ok", "ok"]
    assert all(each.relative < 1e-4 for result in report.results for each in result.evaluation.outputs)


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


@pytest.fixture(scope="module")
def sklearn_models(downloads, tmp_path_factory) -> Path:
    """A folder with a logistic regression as ONNX: with ZipMap, and with an output for each class."""
    folder = tmp_path_factory.mktemp("sklearn")
    command = [sys.executable, Path(__file__).with_name("make_sklearn_models.py"), wheel("skl2onnx", downloads), folder]
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=1200)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize(("name", "outputs"), [("zipmap", 1), ("columns", 4)])
def test_scikit_learn_classifier_is_scored_by_its_label(crossrt, bench, sklearn_models, name, outputs):
    path = sklearn_models / f"{name}.onnx"
    assert len(inspected(crossrt, path)["outputs"]) == outputs
    report = bench(path, "--data", sklearn_models / "iris.npz")
    assert report.task == "classification"
    (top1,) = (metric.value for metric in report.metrics if metric.name == "top1")
    with np.load(sklearn_models / "answers.npz") as answers:
        assert top1 == pytest.approx(float(answers["accuracy"]))


def test_output_that_is_not_a_tensor_is_left_out_with_a_reason(crossrt, sklearn_models):
    done = crossrt("inspect", sklearn_models / "zipmap.onnx")
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert "output_probability is a sequence of maps (ZipMap), not a tensor, and is left out" in said
    assert "options={'zipmap': False}" in said


PAGES = ("gallery.md", "own-models.md")
NAMES = {
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": (
        "rapidocr-onnxruntime",
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    ),
    "magika.onnx": ("magika", "magika/models/standard_v3_3/model.onnx"),
    "mnist-conv.onnx": ("qonnx", "qonnx/data/onnx/mnist-conv/model.onnx"),
    "silero_vad.onnx": ("silero-vad", "silero_vad/data/silero_vad.onnx"),
    "smart-turn-v3.2-cpu.onnx": ("pipecat-ai", "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"),
}
"""Models as pages name them."""
SHOWN = [
    block
    for page in PAGES
    for block in blocks(ROOT / "docs" / page)
    if block.mark == "from" and block.source == f"tests/end_to_end/{Path(__file__).name}"
]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_pages_show_what_is_printed(block, downloads, tmp_path):
    words = shlex.split(block.command)
    (name,) = NAMES.keys() & set(words)
    shutil.copy(taken(*NAMES[name], downloads), tmp_path / name)
    np.savez(tmp_path / "bytes64.npz", bytes=np.zeros((32, 2048), np.int64))
    done = subprocess.run(
        [CROSSRT, *words[1:]],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert missing(block, lines) is None, done.stdout
