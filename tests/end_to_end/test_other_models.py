"""The other shipped models, whose operators differ: built, checked, measured, diagnosed and explained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.reports.schema.files import read_report

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
CASES = ("fp32@ort-cpu", "int8-qdq@ort-cpu", "fp32@tflite", "int8@tflite")
LEAST = {"mnist-dense": 0.985, "mnist-separable": 0.983}
ANY_PROCESSOR = ("--min-agreement", 0.9)  # without VNNI instructions int8-qdq of the separable model agrees on 96%


def crossrt(*arguments, cwd):
    return subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module", params=sorted(LEAST))
def model(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(model, tmp_path_factory) -> Path:
    """A short run in a folder of its own."""
    folder = tmp_path_factory.mktemp(model)
    only = [part for case in CASES for part in ("--only", case)]
    done = crossrt("bench", model, "--rounds", 1, "--batch", 1, "--diagnose", *ANY_PROCESSOR, *only, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (folder / "results").iterdir()
    return found


def test_every_variant_keeps_the_models_accuracy(run, model):
    report = read_report(run / "report.json")
    top1 = {metric.case: metric.value for metric in report.metrics if metric.name == "top1"}
    assert list(top1) == [f"{model}.{case}/b1/t1" for case in CASES]
    assert min(value for case, value in top1.items() if "int8-qdq" not in case) >= LEAST[model]
    assert min(top1.values()) >= LEAST[model] - 0.05
    assert len(report.distances) == 6


def test_both_quantized_files_are_diagnosed(run, model):
    layers = read_report(run / "report.json").layers
    assert sorted(each.artifact for each in layers) == [f"{model}.int8-qdq.onnx", f"{model}.int8.tflite"]
    for file in layers:
        assert {each.role for each in file.tensors} == {"activation", "weight", "bias"}
        assert all(each.sqnr_db is None or each.sqnr_db > 0 for each in file.tensors)


def test_answers_quantization_steps_and_probabilities_are_compared(run):
    for measure in ("agreement", "relative", "steps", "kl"):
        done = crossrt("accuracy", run, "--measure", measure, cwd=run)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("command", ["audit", "explain"])
def test_its_scales_and_kernels_are_explained(run, model, command):
    done = crossrt(command, "int8-qdq" if command == "audit" else "int8-qdq@ort-cpu", "--model", model, cwd=run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the graph does not show why" not in done.stdout
