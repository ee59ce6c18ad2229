"""From recipes to the variant to ship, as a user does it: quantize, audit, measure, choose."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
MINE = """
[recipes.symmetric-ranges]
summary = "silently wrong: Relu is removed while ranges are symmetric"
kind = "onnx-static"
calibration_symmetric = true

[grid]
name = "sweep"
kind = "onnx-static"
calibrate_method = ["entropy", "percentile"]
quant_format = ["qdq", "qoperator"]
per_channel = true
"""


def crossrt(*arguments, cwd):
    return subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "mine.toml").write_text(MINE)
    return folder


@pytest.fixture(scope="module")
def quantized(folder):
    return crossrt("quantize", "--file", "mine.toml", "--out", "lab", cwd=folder)


def test_a_silently_wrong_variant_is_a_failed_row_with_its_cause(quantized, folder):
    assert quantized.returncode == 1, quantized.stderr
    assert "failed  mnist-cnn.symmetric-ranges.onnx" in quantized.stdout
    assert "Relu is removed while ranges are symmetric" in " ".join(quantized.stdout.split())
    assert not (folder / "lab" / "mnist-cnn.symmetric-ranges.onnx").exists()
    page = Path(__file__).parents[2] / "docs" / "quantization.md"
    shown = re.search(r"^failed  .*?(?=^```$)", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    without_numbers = [re.sub(r"-?\d+\.\d+", "#", " ".join(text.split())) for text in (shown, quantized.stdout)]
    assert without_numbers[0] in without_numbers[1]


def test_every_combination_of_the_grid_is_built_and_agrees(quantized, folder):
    built = {path.name for path in (folder / "lab").glob("*.onnx")}
    names = {f"sweep-{method}-{form}" for method in ("entropy", "percentile") for form in ("qdq", "qoperator")}
    assert built == {f"mnist-cnn.{name}.onnx" for name in (*names, "fp32")}


def test_library_chatter_does_not_reach_the_screen(quantized):
    text = quantized.stdout + quantized.stderr
    assert not any(word in text for word in ("Collecting tensor", "WARNING", "Please", "root:"))


@pytest.mark.parametrize("variant", ["int8-qdq.onnx", "int8-qoperator.onnx", "int8.tflite", "int8-io.tflite"])
def test_every_scale_of_the_shipped_variants_is_explained(folder, variant):
    said = audited(variant, cwd=folder)
    assert "quantized tensors are what the recipe makes of them, to the last bit" in said


@pytest.fixture(scope="module")
def unusual(folder):
    """A model whose scales follow from more than the range of each tensor: see what it is made of."""
    script = Path(__file__).with_name("make_unusual_model.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return "unusual.keras"


@pytest.mark.parametrize("variant", ["int8-qdq.onnx", "int8-qoperator.onnx", "int8.tflite"])
def test_every_scale_of_an_unusual_model_is_explained(folder, unusual, variant):
    said = audited(variant, "--model", unusual, "--calibration", "unusual.npz", cwd=folder)
    assert "quantized tensors are what the recipe makes of them, to the last bit" in said


def audited(*arguments, cwd):
    done = crossrt("audit", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def test_from_the_recipes_to_the_one_to_ship(quantized, folder):
    done = crossrt("bench", "--quick", "--artifacts", "lab", "--batch", "1", "--out", "runs", cwd=folder)
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs").iterdir()
    assert len(json.loads((run / "report.json").read_text())["results"]) == 5
    front = crossrt("pareto", run, cwd=folder)
    assert front.returncode == 0, front.stderr
    assert "unbeaten" in front.stdout
    advice = crossrt("advise", run, "--max-drop", "0.3", cwd=folder)
    assert advice.returncode == 0, advice.stderr
    assert re.search(r"^Ship ", advice.stdout, re.MULTILINE), advice.stdout  # below cautions, if there are any


def test_a_float_tflite_file_is_quantized_as_it_is(folder):
    assert crossrt("export", "--only", "fp32.tflite", "--out", "given", cwd=folder).returncode == 0
    (folder / "own.tflite").write_bytes((folder / "given" / "mnist-cnn.fp32.tflite").read_bytes())
    data = ("--calibration", "mnist", "--data", "mnist")
    done = crossrt("quantize", "own.tflite", *data, "--recipe", "int8", "--out", "mine", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    own, theirs = folder / "mine" / "own.int8.tflite", folder / "given" / "mnist-cnn.fp32.tflite"
    audited = crossrt("audit", own, "--float", theirs, "--calibration", "mnist", cwd=folder)
    assert audited.returncode == 0, audited.stdout + audited.stderr
