"""A user's own Keras models on their own data, from the shell."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Report

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
MAKE = Path(__file__).with_name("make_own_models.py")
FASHION = Path("/usr/share/datasets/fashion-mnist")
SHORT = ("--rounds", 1, "--time", 120)
FEW = ("--only", "fp32", "--only", "int8-qdq", "--only", "int8@tflite")
NPZ = {
    "tab": ("tab.reg.keras", "tab.npz", "tab-calibration.npz"),
    "two": ("two.keras", "two.npz", "two-calibration.npz"),
    "hundred": ("hundred.keras", "hundred.npz", "hundred-calibration.npz"),
    "lstm": ("lstm.keras", "lstm.npz", "lstm-calibration.npz"),
    "vit": ("vit.keras", "vit.npz", "vit-calibration.npz"),
}
TASKS = {
    "tab": "regression",
    "two": "agreement",
    "hundred": "classification",
    "lstm": "classification",
    "vit": "classification",
    "fashion": "classification",
}
LEAST = {
    "hundred": ("top1", 0.7),
    "lstm": ("top1", 0.8),
    "vit": ("top1", 0.9),
    "fashion": ("top1", 0.83),
    "tab": ("r2", 0.9),
}
REASONS = re.compile(
    r"answers [\d.]+% of the samples like the reference|differs from the reference's by [\d.]+ times its own size"
    r"|the TFLite converter cannot calibrate loops, as recurrent layers .* have them: use a dynamic or float16 recipe"
)

NEAR_CHANCE = re.compile(r"the reference answers class \d+ to all 400 samples|chance")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A user's project: models, data, and packages that have the names of ours and break when imported."""
    folder = tmp_path_factory.mktemp("own")
    fashion = ["--fashion", str(FASHION)] if FASHION.is_dir() else []
    made = subprocess.run([sys.executable, str(MAKE), str(folder), *fashion], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    for name in ("reports", "harness"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('the wrong package was imported')\n")
    return folder


def crossrt(*arguments, cwd) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=1200)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def words(done) -> str:
    """All that was said, in one line."""
    return " ".join((done.stdout + done.stderr).split())


def saved(done, folder) -> Report:
    return read_report(folder / re.search(r"^report: (.*)$", done.stdout, re.MULTILINE)[1])


@pytest.fixture(scope="module", params=sorted(TASKS))
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(name, folder):
    """A short run of one model on its own data."""
    if name == "fashion":
        if not FASHION.is_dir():
            pytest.skip(f"{FASHION} is not there: apt-get install dataset-fashion-mnist")
        calibration = FASHION / "train-images-idx3-ubyte.gz"
        arguments = ("fashion.keras", "--data", FASHION, "--split", "test", "--samples", 2000)
    else:
        model, data, calibration = NPZ[name]
        arguments = (model, "--data", data)
    return crossrt("bench", *arguments, "--calibration", calibration, *SHORT, *FEW, cwd=folder)


@pytest.fixture
def report(run, folder) -> Report:
    return saved(run, folder)


def test_float_files_answer_like_keras(run, report, name, folder):
    assert run.returncode == int(any(result.status == "failed" for result in report.results)), run.stderr
    roles = {artifact.id: artifact.role for artifact in report.artifacts}
    floats = [result for result in report.results if roles.get(result.artifact) == "float"]
    assert {result.runtime for result in floats} == {"ort-cpu", "tflite"}
    assert {result.status for result in floats} == {"ok"}
    assert all(each.relative < 1e-3 for result in floats for each in result.evaluation.outputs)


def test_task_follows_from_labels_and_outputs(run, report, name):
    assert report.task == TASKS[name]
    assert re.search(f"^  {TASKS[name]}: ", run.stderr, re.MULTILINE)
    assert not report.cautions


def test_accuracy_of_the_float_files_is_what_training_gave(report, name):
    if name not in LEAST:
        pytest.skip("there are no labels")
    metric, least = LEAST[name]
    found = [each.value for each in report.metrics if each.name == metric and ".fp32@" in each.case]
    assert len(found) == 2
    assert min(found) >= least


def test_quantized_files_are_measured_or_failed_with_a_reason(report):
    quantized = [result for result in report.results if "fp32" not in result.variant]
    assert {result.variant for result in quantized} == {"int8-qdq", "int8"}
    for result in quantized:
        if result.status == "ok":
            assert result.rounds
            assert result.evaluation is not None
        else:
            assert result.status == "failed"
            assert REASONS.search(result.reason), result.reason


def test_exported_file_answers_like_keras_without_us(folder):
    """Two inputs and two outputs, run by ONNX Runtime alone on what Keras was asked."""
    done = crossrt("export", "two.keras", "--only", "fp32.onnx", "--out", "exported", cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "exported").glob("*.onnx")
    session = onnxruntime.InferenceSession(path)
    with np.load(folder / "two.npz") as feeds, np.load(folder / "two.answers.npz") as answers:
        shown = len(answers["kind"])
        found = session.run(None, {each.name: feeds[each.name][:shown] for each in session.get_inputs()})
        by_shape = {values.shape: values for values in found}
        for expected in answers.values():
            assert by_shape[expected.shape] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_model_that_is_fed_other_ranges_than_it_was_trained_on_gets_a_caution(folder):
    done = crossrt(
        *("bench", "hundred.keras", "--data", "hundred-0-to-1.npz", "--calibration", "hundred-calibration.npz"),
        *("--only", "fp32@ort-cpu", *SHORT),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    report = saved(done, folder)
    cause, *effects = report.cautions
    assert re.search(r"'pixels' lies in 0\.0.* expects values such as 0 to 255", cause)
    assert any(map(NEAR_CHANCE.search, effects)), effects
    assert words(done).startswith(f"CAUTION: {cause}")  # before anything else
    advice = crossrt("advise", f"results/{report.run.id}", cwd=folder)
    assert advice.returncode != 0
    assert "no advice" in words(advice)
    assert "Ship" not in advice.stdout
