"""`crossrt recipes`, `quantize`, `audit`, `pareto` and `advise` as commands: exit codes and words."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.exporters.recipes.toml_files import read_recipes
from crossrt.exporters.variants import shipped_recipes
from crossrt.reports.schema.files import write_report
from crossrt.reports.text.cells import MOST_LISTED

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("known_files")]

MODELS = Path(__file__).parents[2] / "data" / "models"
MODEL, FLOAT = (MODELS / f"conv.{variant}.tflite" / "model.tflite" for variant in ("int8-io", "fp32"))
REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


def test_recipes_are_listed_a_line_each(crossrt):
    code, output, _ = crossrt("recipes")
    assert code == 0
    assert all(each.item in output for each in shipped_recipes())


def test_a_recipe_is_printed_as_toml_that_reads_back(crossrt, tmp_path):
    code, output, _ = crossrt("recipes", "int8-qdq", "int8*.tflite")
    assert code == 0
    (tmp_path / "copy.toml").write_text(output)
    found = read_recipes(tmp_path / "copy.toml").recipes
    known = {each.item: each for each in shipped_recipes()}
    assert found[0] == known["int8-qdq.onnx"]
    assert {each.item for each in found[1:]} == {each for each in known if each.startswith("int8") and "tflite" in each}
    assert all(each == known[each.item] for each in found)


def test_a_name_means_the_whole_name(crossrt):
    _, output, _ = crossrt("recipes", "int8")
    assert output.count("[recipes.") == 1


@pytest.mark.parametrize("command", [["recipes"], ["quantize", "--recipe"], ["audit"]])
def test_an_unknown_recipe_is_an_error_that_names_the_nearest_or_all(crossrt, command):
    code, _, errors = crossrt(*command, "int8-qqd")
    assert code == 2
    assert "'int8-qqd' fits no recipe: did you mean 'int8-qdq' or 'int8-qdq" in errors
    code, _, errors = crossrt(*command, "bfloat")
    assert code == 2
    assert "'bfloat' fits no recipe; available: int8-qdq.onnx" in errors
    assert f"and {len(shipped_recipes()) - MOST_LISTED} more" in errors


def test_a_recipe_without_a_summary_shows_what_it_changes(crossrt, tmp_path):
    (tmp_path / "mine.toml").write_text('[recipes.mine]\nkind = "onnx-static"\nper_channel = true\n')
    _, output, _ = crossrt("recipes", "--file", "mine.toml")
    assert "onnx-static: per_channel = true" in output


@pytest.mark.parametrize("command", [["recipes"], ["quantize"], ["audit", "mine"]])
def test_a_wrong_file_of_recipes_is_an_error_and_nothing_is_written(crossrt, tmp_path, command):
    (tmp_path / "mine.toml").write_text('[recipes.mine]\nkind = "onnx-static"\nper_chanel = true\n')
    code, _, errors = crossrt(*command, "--file", "mine.toml")
    assert code == 2
    assert "did you mean 'per_channel'?" in errors
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["mine.toml"]


def test_what_a_grid_cannot_build_is_told(crossrt, tmp_path):
    (tmp_path / "grid.toml").write_text(
        '[grid]\nkind = "onnx-static"\nquant_format = ["qdq", "qoperator"]\nactivation_type = ["uint8", "uint16"]\n'
    )
    code, output, errors = crossrt("recipes", "--file", "grid.toml")
    assert code == 0
    assert "grid-qdq-uint16.onnx" in output
    assert "grid-qoperator-uint16.onnx: cannot be built: qoperator has 8-bit operators only" in errors


@pytest.fixture
def calibrated(folder):
    """The small int8 model with the recipe that made it in its manifest, and its calibration data."""
    path = folder / "conv.int8-io.tflite.manifest.json"
    content = json.loads(path.read_text())
    content["quantization"]["recipe"] = RECIPE
    path.write_text(json.dumps(content))
    digits = open_dataset(DataRequest(reference="mnist", split="train", limit=200)).feeds(range(200))["image"]
    np.savez(folder.parent / "train.npz", image=digits[:100])
    np.savez(folder.parent / "other.npz", image=digits[100:])
    return folder


RECIPE = {"kind": "tflite-static", "io_type": "int8", "calibration_samples": 100}


def test_an_audit_of_an_exported_file(crossrt, calibrated):
    code, output, errors = crossrt("audit", "int8-io", "--artifacts", calibrated, "--calibration", "train.npz")
    assert code == 0, errors
    assert output.startswith("conv.int8-io.tflite: ")
    assert "8 quantized tensors" in output
    assert "int32" in output
    assert "different" not in output


def test_a_file_that_other_samples_calibrated_fails_its_audit(crossrt, calibrated):
    code, output, _ = crossrt("audit", "int8-io", "--artifacts", calibrated, "--calibration", "other.npz")
    assert code == 1
    assert "quantized tensors are not what the recipe makes of them" in output
    assert "different, expected" in output


def test_a_file_of_the_users_is_audited_by_itself_or_by_the_manifest_beside_it(crossrt, calibrated, tmp_path):
    code, output, _ = crossrt("audit", MODEL)
    assert code == 0
    assert output.startswith("model.tflite: nothing in it is wrong by itself; without its float file (--float)")
    assert "100.0% of the bytes of weights are integers" in output
    code, output, errors = crossrt(
        *("audit", calibrated / "conv.int8-io.tflite", "--float", calibrated / "conv.fp32.tflite"),
        *("--calibration", "train.npz"),
    )
    assert code == 0, errors
    assert "nothing to compare with" not in output


def test_a_file_without_a_manifest_is_audited_by_the_recipe_that_it_bears(crossrt, calibrated):
    code, output, errors = crossrt("audit", MODEL, "--float", FLOAT, "--calibration", "train.npz")
    assert code == 0, errors
    said = " ".join(output.split())
    assert "no manifest names its recipe, so it was read from the file: tflite-static, activation_type int8" in said
    assert "MinMax ranges over all calibration samples are assumed" in said


def test_without_calibration_data_weights_alone_are_compared_with_the_float_file(crossrt):
    code, output, errors = crossrt("audit", MODEL, "--float", FLOAT)
    assert code == 0, errors
    said = " ".join(output.split())
    assert "4 quantized tensors that can be compared are what the recipe makes of them" in said
    assert "the scales of activations are not checked: they follow from calibration data (give them with" in said


def test_a_float_file_whose_name_says_int8_is_found_out(crossrt, tmp_path):
    shutil.copy(FLOAT, tmp_path / "net.int8.tflite")
    code, output, _ = crossrt("audit", "net.int8.tflite")
    assert code == 1
    said = " ".join(output.split())
    assert said.startswith("net.int8.tflite: wrong: quantized weights, file name; ")
    assert "the name says int8, and the weights of its layers are float32" in said


def test_findings_are_told_part_by_part_as_json(crossrt, tmp_path):
    shutil.copy(FLOAT, tmp_path / "net.int8.tflite")
    code, output, _ = crossrt("audit", "net.int8.tflite", "--json")
    assert code == 1
    table = next(each for each in json.loads(output)["tables"] if each["title"] == "Findings")
    assert table["columns"] == ["check", "severity", "where", "found", "expected", "to do"]
    assert ["file name", "wrong", "net.int8.tflite"] in [row[:3] for row in table["rows"]]


def test_the_model_of_the_configuration_is_what_variants_are_built_from(crossrt, network, tmp_path):
    np.savez(tmp_path / "images.npz", image=np.random.default_rng(0).random((60, 28, 28, 1), dtype=np.float32))
    (tmp_path / "crossrt.toml").write_text(
        f'[model]\npath = "{network()}"\n[calibration]\npath = "images.npz"\n[data]\npath = "images.npz"\n'
    )
    code, output, errors = crossrt("audit", "int8-qdq")
    assert code == 0, errors
    assert output.startswith("float.int8-qdq.onnx: all")
    code, output, errors = crossrt("explain", "int8-qdq@ort-cpu")
    assert code == 0, errors
    code, _, errors = crossrt("sensitivity", "int8-qdq")
    assert "images.npz holds 60 samples and int8-qdq.onnx takes 1000" in errors
    code, output, errors = crossrt("audit", MODEL)
    assert code == 0, errors
    assert output.startswith("model.tflite: nothing in it is wrong by itself")


def test_an_audit_of_a_model_of_the_users_builds_the_variant(crossrt, network, tmp_path):
    images = np.random.default_rng(0).random((60, 28, 28, 1), dtype=np.float32)
    np.savez(tmp_path / "images.npz", image=images)
    code, output, errors = crossrt("audit", "int8-qdq", "--model", network(), "--calibration", "images.npz")
    assert code == 0, errors
    assert "float.int8-qdq.onnx: all" in output
    assert "are what the recipe makes of them, to the last bit" in output


def test_a_diagnosis_of_two_files_matches_tensors_by_name(crossrt, tmp_path, calibrated):
    code, output, errors = crossrt("diagnose", MODEL, "--float", FLOAT, "--data", "train.npz", "--samples", "50")
    assert code == 0, errors
    assert "output logits of the file as it is" in output
    assert "over the first 50 of 100 samples; --samples takes more" in " ".join(output.split())
    code, output, _ = crossrt("diagnose", MODEL, "--float", FLOAT)
    assert code == 0
    assert "CAUTION: inputs are random" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit", "int9", "--artifacts", "models"), "int9 is not there: name one of conv.fp32"),
        (("audit", "fp32", "--artifacts", "models"), "fp32 is there in both formats: name one of"),
        (("audit", "fp32.onnx", "--artifacts", "models"), "conv.fp32.onnx is not quantized: name a file that is"),
        (
            ("audit", "models/conv.fp32.onnx"),
            "conv.fp32.onnx is not quantized: there is nothing to audit; give a quantized file, with --float FILE",
        ),
        (("audit", "nothing/net.onnx"), "nothing/net.onnx is not a model file"),
        (("diagnose", "nothing/net.onnx"), "nothing/net.onnx is not a model file"),
        (("diagnose", "int8-io", "--float", "models/conv.fp32.onnx"), "--float goes with a model file"),
        (("diagnose", "models/conv.int8-io.tflite"), "give it with --float FLOAT_FILE"),
        (
            ("diagnose", "models/conv.fp32.onnx", "--float", "models/conv.fp32.onnx"),
            "conv.fp32.onnx is not quantized: there is nothing to diagnose; give a quantized file, with --float FILE",
        ),
        (
            ("diagnose", "models/conv.int8-io.tflite", "--float", "models/conv.fp32.onnx"),
            "give the float file of the same format",
        ),
        (("robustness", "--artifacts", "models"), "images are needed: give them with --data DATA"),
    ],
)
def test_what_cannot_be_looked_into_is_said(crossrt, folder, arguments, message):
    code, _, errors = crossrt(*arguments)
    assert code == 2
    assert message in " ".join(errors.split())


def test_an_audit_needs_the_float_file(crossrt, folder):
    for path in folder.glob("conv.fp32.tflite*"):
        path.unlink()
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 2
    assert "has no float file beside conv.int8-io.tflite" in errors


def test_a_float_file_under_another_name_is_found_out(crossrt, calibrated):
    original, other = calibrated / "conv.fp32.tflite", calibrated / "conv.int8-io.tflite"
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (original, other)]
    sizes = [f'"size_bytes": {path.stat().st_size}' for path in (original, other)]
    other.write_bytes(original.read_bytes())
    manifest = calibrated / "conv.int8-io.tflite.manifest.json"
    manifest.write_text(manifest.read_text().replace(hashes[1], hashes[0]).replace(sizes[1], sizes[0]))
    code, out, _ = crossrt("audit", "int8-io", "--artifacts", calibrated, "--calibration", "train.npz")
    assert code == 1
    assert "wrong    nothing is quantized" in out
    assert "the name says int8" in out


@pytest.mark.parametrize("command", ["audit", "diagnose"])
def test_a_manifest_with_an_unknown_recipe_is_refused(crossrt, calibrated, command):
    manifest = calibrated / "conv.int8-io.tflite.manifest.json"
    manifest.write_text(manifest.read_text().replace("tflite-static", "tflite-magic"))
    code, _, errors = crossrt(command, "int8-io", "--artifacts", calibrated)
    assert code == 2
    assert "holds no known recipe" in errors


@pytest.fixture
def truncated(folder):
    """A folder with a model that no runtime can load, although its manifest is right."""
    path, manifest = folder / "conv.int8-io.tflite", folder / "conv.int8-io.tflite.manifest.json"
    content = json.loads(manifest.read_text())
    path.write_bytes(path.read_bytes()[:-2500])
    content |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size_bytes": path.stat().st_size}
    manifest.write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("command", ["audit", "diagnose", "explain"])
def test_a_file_that_no_runtime_loads_is_one_clear_line(crossrt, truncated, command):
    name = "int8-io@tflite" if command == "explain" else "int8-io"
    code, _, errors = crossrt(command, name, "--artifacts", truncated)
    assert code == 2
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("crossrt: ")
    assert "conv.int8-io.tflite" in errors


def test_a_file_that_no_runtime_loads_leaves_the_others_alone(crossrt, truncated, data):
    code, output, errors = crossrt("explain", "fp32@tflite", "--artifacts", truncated)
    assert code == 0, errors
    assert "CONV_2D" in output
    code, output, errors = crossrt("robustness", "--artifacts", truncated, "--data", data, "--samples", "20")
    assert code == 0, errors
    assert "conv.int8-io.tflite: left out" in errors
    assert "fp32.tflite" in output


def test_nothing_is_left_behind_when_a_process_crashes(crossrt, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder, "--timeout", "0.1")  # killed while it works
    assert code == 2
    assert "no answer within 0.1 s: killed; give it more time with --timeout" in errors
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_damaged_file_is_not_audited(crossrt, folder):
    path = folder / "conv.int8-io.tflite"
    path.write_bytes(path.read_bytes()[:-100])
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 2
    assert "is not the file of its manifest" in errors


def test_pareto_shows_a_table_a_plot_and_its_rule(crossrt):
    code, output, _ = crossrt("pareto", REPORT)
    assert code == 0
    assert "unbeaten are 2 of 3 cases" in output  # two rounds do not tell int8-qdq from fp32 on ort-cpu
    assert "top-1 and p50" in output
    assert "Accuracy is distinguished by a paired test" in " ".join(output.split())


def test_advice_needs_to_know_how_each_sample_was_answered(crossrt):
    code, _, errors = crossrt("advise", REPORT)
    assert code == 2
    assert "does not say how" in errors


@pytest.mark.parametrize("command", ["pareto", "advise"])
def test_a_folder_of_runs_is_a_question_which(crossrt, tmp_path, command):
    for name in ("one", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(REPORT, tmp_path / "runs" / name / "report.json")
    code, _, errors = crossrt(command, tmp_path / "runs")
    assert code == 2
    assert "name one of them" in errors


def test_robustness_of_an_exported_folder(crossrt, folder, data):
    code, output, errors = crossrt("robustness", "--artifacts", folder, "--samples", "30", "--data", data)
    assert code == 0, errors
    assert "Top-1 on 30 samples compared with fp32.onnx" in output
    assert "all corruptions" in output
    code, _, errors = crossrt("robustness", "--artifacts", folder, "--only", "int9", "--data", data)
    assert code == 2
    assert "int9 selects no artifact; available: conv.fp32.onnx" in errors


def test_an_explanation_names_kernels_and_times(crossrt, folder):
    code, output, errors = crossrt("explain", "fp32@ort-cpu", "--artifacts", folder, "--batch", "2")
    assert code == 0, errors
    assert "Conv" in output
    assert "of kernel time" in output
    code, output, _ = crossrt("explain", MODEL)
    assert code == 0
    assert "CONV_2D" in output


def test_an_explanation_that_takes_too_long_says_what_to_do(crossrt, folder):
    code, _, errors = crossrt("explain", "fp32@ort-cpu", "--artifacts", folder, "--batch", "9", "--timeout", "0.01")
    assert code == 2
    assert "killed; give it more time with --timeout, or fewer samples than 9 with --batch" in " ".join(errors.split())
    code, _, errors = crossrt("explain", FLOAT, "--timeout", "0.01")
    assert code == 2
    assert "tflite is not done with model.tflite: " in errors


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("int8-io", "is neither a file nor written like a case"),
        ("int8-io@nothing", "there is no runtime 'nothing'"),
        ("int9@tflite", "int9@tflite is not a case; available: fp32@tflite"),
    ],
)
def test_what_cannot_be_explained_is_said(crossrt, folder, case, message):
    code, _, errors = crossrt("explain", case, "--artifacts", folder)
    assert code == 2
    assert message in errors


def test_a_folder_says_what_it_holds(crossrt, folder):
    code, _, errors = crossrt("explain", "fp32@tflite", "--artifacts", folder, "--model", "mnist-dense")
    assert code == 2
    assert "--artifacts excludes --model and --file" in errors


@pytest.mark.parametrize(
    ("measure", "title"),
    [
        ("agreement", "Same answer, in percent of the samples"),
        ("relative", "Difference of outputs, in percent of their norm"),
        ("steps", "Largest difference of an output, in quantization steps"),
        ("kl", "Divergence of columns from rows, in nats"),
    ],
)
def test_every_two_cases_are_compared_with_each_other(crossrt, answered, tmp_path, measure, title):
    write_report(answered, tmp_path / "report.json")
    code, output, errors = crossrt("accuracy", tmp_path / "report.json", "--measure", measure)
    assert code == 0, errors
    assert title in " ".join(output.split())
    assert "c  int8-io@tflite" in output
    assert max(map(len, output.splitlines())) <= 100


def test_an_older_report_does_not_say_how_far_outputs_are_apart(crossrt, answered, tmp_path):
    write_report(msgspec.structs.replace(answered, distances=()), tmp_path / "report.json")
    code, output, errors = crossrt("accuracy", tmp_path / "report.json", "--measure", "kl")
    assert (code, output) == (2, "")
    assert "measure it again with crossrt bench" in errors


def test_a_file_from_which_nothing_is_built_is_said_to_be_ready(crossrt, folder, tmp_path):
    path = MODELS / "conv.fp32.onnx" / "model.onnx"
    code, _, errors = crossrt("export", path, "--out", tmp_path / "oe")
    assert code == 2
    assert f"{path} is ONNX already and nothing is to be built from it: measure it as it is (crossrt bench " in errors
    assert ", or give --calibration" in errors
    code, _, errors = crossrt("export", MODEL, "--out", tmp_path / "oe")
    assert code == 2
    assert f"{MODEL} is TFLite already and nothing is to be built from it" in errors
    assert "--calibration" not in errors
    code, _, errors = crossrt("export", folder, "--out", tmp_path / "oe")
    assert code == 2
    assert f"holds artifacts already: measure them (crossrt bench --artifacts {folder})" in errors
