"""`crossrt recipes`, `quantize`, `audit`, `pareto` and `advise` as commands: exit codes and words."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from crossrt.exporters.recipes.toml_files import read_recipes
from crossrt.exporters.variants import shipped_recipes
from crossrt.harness.cli.main import main
from crossrt.reports.schema.files import write_report
from crossrt.reports.text.cells import MOST_LISTED

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


@pytest.fixture
def crossrt(tmp_path, monkeypatch, capfd):
    """Runs the command in this process, which saves starting one; gives exit code, output and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crossrt", *map(str, arguments)])
        code = main()
        return code, *capfd.readouterr()

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


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
    assert "'int8-qqd' fits no recipe: did you mean 'int8-qdq'?" in errors
    code, _, errors = crossrt(*command, "bfloat")
    assert code == 2
    assert "'bfloat' fits no recipe; there are: int8-qdq.onnx" in errors
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


def test_an_audit_of_an_exported_file(crossrt, folder):
    code, output, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 0, errors
    assert output.startswith("conv.int8-io.tflite: ")
    assert "8 quantized tensors" in output
    assert "int32" in output
    assert "different" not in output


def test_an_altered_file_fails_its_audit(crossrt, folder, monkeypatch):
    """Its manifest says that other digits calibrated it."""
    manifest = folder / "conv.int8-io.tflite.manifest.json"
    manifest.write_text(manifest.read_text().replace('"calibration_seed": 0', '"calibration_seed": 5'))
    code, output, _ = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 1
    assert "quantized tensors are not what the scheme makes of them" in output
    assert "different, expected" in output


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("int9", "int9 is not there: name one of conv.fp32"),
        ("fp32", "fp32 is there in both formats: name one of"),
        ("fp32.onnx", "conv.fp32.onnx is not quantized by a recipe: name one that is"),
    ],
)
def test_what_cannot_be_audited_is_said(crossrt, folder, variant, message):
    code, _, errors = crossrt("audit", variant, "--artifacts", folder)
    assert code == 2
    assert message in errors


def test_an_audit_needs_the_float32_file(crossrt, folder):
    for path in folder.glob("conv.fp32.tflite*"):
        path.unlink()
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 2
    assert "has no float32 file beside conv.int8-io.tflite" in errors


def test_a_float32_file_under_another_name_is_no_audit(crossrt, folder):
    original, other = folder / "conv.fp32.tflite", folder / "conv.int8-io.tflite"
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (original, other)]
    other.write_bytes(original.read_bytes())
    manifest = folder / "conv.int8-io.tflite.manifest.json"
    manifest.write_text(manifest.read_text().replace(hashes[1], hashes[0]))
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 2
    assert "holds no quantized tensor" in errors


@pytest.mark.parametrize("command", ["audit", "diagnose"])
def test_a_manifest_with_an_unknown_recipe_is_refused(crossrt, folder, command):
    manifest = folder / "conv.int8-io.tflite.manifest.json"
    manifest.write_text(manifest.read_text().replace("tflite-static", "tflite-magic"))
    code, _, errors = crossrt(command, "int8-io", "--artifacts", folder)
    assert code == 2
    assert "holds no known recipe" in errors


def test_a_damaged_file_is_not_audited(crossrt, folder):
    path = folder / "conv.int8-io.tflite"
    path.write_bytes(path.read_bytes()[:-100])
    code, _, errors = crossrt("audit", "int8-io", "--artifacts", folder)
    assert code == 2
    assert "is not the file of its manifest" in errors


def test_pareto_shows_a_table_a_plot_and_its_rule(crossrt):
    code, output, _ = crossrt("pareto", REPORT)
    assert code == 0
    assert "unbeaten are 1 of 3 cases" in output
    assert "top-1 against p50" in output
    assert "exact McNemar" in output


def test_advice_needs_to_know_which_digits_were_wrong(crossrt):
    code, _, errors = crossrt("advise", REPORT)
    assert code == 2
    assert "does not say which digits" in errors


@pytest.mark.parametrize("command", ["pareto", "advise"])
def test_a_folder_of_runs_is_a_question_which(crossrt, tmp_path, command):
    for name in ("one", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        shutil.copy(REPORT, tmp_path / "runs" / name / "report.json")
    code, _, errors = crossrt(command, tmp_path / "runs")
    assert code == 2
    assert "name one of them" in errors


def test_answers_of_other_digits_are_not_compared(crossrt, tmp_path):
    content = json.loads(REPORT.read_text())
    content["environment"]["data_sha256"] = "0" * 64
    (tmp_path / "other.json").write_text(json.dumps(content))
    code, _, errors = crossrt("accuracy", tmp_path / "other.json")
    assert code == 2
    assert "was made with other digits" in errors


def test_robustness_of_an_exported_folder(crossrt, folder):
    code, output, errors = crossrt("robustness", "--artifacts", folder, "--samples", "100")
    assert code == 0, errors
    assert "Top-1 on 100 digits against fp32.onnx" in output
    assert "all corruptions" in output
    code, _, errors = crossrt("robustness", "--artifacts", folder, "--only", "int9")
    assert code == 2
    assert "int9 selects no artifact" in errors


def test_an_explanation_names_kernels_and_times(crossrt, folder):
    code, output, errors = crossrt("explain", "fp32@ort-cpu", "--artifacts", folder, "--batch", "2")
    assert code == 0, errors
    assert "Conv" in output
    assert "of kernel time" in output
    code, output, _ = crossrt("explain", "int8-io@tflite", "--artifacts", folder)
    assert code == 0
    assert "CONV_2D" in output


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("int8-io", "is not written like a case"),
        ("int8-io@nothing", "there is no runtime 'nothing'"),
        ("int9@tflite", "there is no case 'int9@tflite'; there are: fp32@tflite"),
    ],
)
def test_what_cannot_be_explained_is_said(crossrt, folder, case, message):
    code, _, errors = crossrt("explain", case, "--artifacts", folder)
    assert code == 2
    assert message in errors


@pytest.mark.parametrize("command", [["explain", "fp32@tflite"], ["robustness"]])
def test_a_folder_says_what_it_holds(crossrt, folder, command):
    code, _, errors = crossrt(*command, "--artifacts", folder, "--model", "mnist-dense")
    assert code == 2
    assert "--artifacts excludes --model and --file" in errors


@pytest.mark.parametrize(
    ("measure", "title"),
    [
        ("top1", "Same answer, in percent of the digits"),
        ("steps", "Largest difference of a logit, in steps"),
        ("kl", "Divergence of columns from rows, in nats"),
    ],
)
def test_every_two_cases_are_held_against_each_other(crossrt, bench, tmp_path, measure, title):
    write_report(bench(), tmp_path / "report.json")
    code, output, errors = crossrt("accuracy", tmp_path, "--measure", measure)
    assert code == 0, errors
    assert title in " ".join(output.split())
    assert "c  int8-io@tflite" in output
    assert max(map(len, output.splitlines())) <= 100


def test_an_older_report_does_not_say_how_far_logits_are_apart(crossrt, bench, tmp_path):
    write_report(msgspec.structs.replace(bench(), distances=()), tmp_path / "report.json")
    code, output, errors = crossrt("accuracy", tmp_path, "--measure", "kl")
    assert (code, output) == (2, "")
    assert "measure it again with crossrt bench" in errors
