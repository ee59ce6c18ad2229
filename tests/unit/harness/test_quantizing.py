"""`crossrt quantize` on models of the user's: what is built, left out, failed and doubted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crossrt.exporters.variants import shipped_recipes
from crossrt.harness.build import recipes
from crossrt.harness.build.builder import Artifacts
from crossrt.harness.evaluate import judge
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.reports.schema.files import read_report

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("known_files")]


@pytest.fixture
def crossrt(crossrt):
    """Gives exit code, output and messages, these without line breaks."""

    def run(*arguments) -> tuple[int, str, str]:
        code, *texts = crossrt(*arguments)
        return code, *(" ".join(text.split()) for text in texts)

    return run


@pytest.fixture
def dense(tmp_path):
    """A network of MatMul and Relu alone, with calibration data and labelled test data: its own answers are right."""
    random = np.random.default_rng(0)
    first, second = (random.normal(0, 0.2, shape).astype(np.float32) for shape in ((128, 64), (64, 10)))
    nodes = [
        helper.make_node("MatMul", ["features", "first"], ["hidden"], name="one"),
        helper.make_node("Relu", ["hidden"], ["positive"], name="two"),
        helper.make_node("MatMul", ["positive", "second"], ["logits"], name="three"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 128])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, tmp_path / "own.onnx")
    features = random.normal(size=(400, 128)).astype(np.float32)
    np.savez(tmp_path / "train.npz", features=features[:200])
    labels = (np.maximum(features[200:] @ first, 0) @ second).argmax(axis=1)
    np.savez(tmp_path / "test.npz", features=features[200:], labels=labels)
    return tmp_path / "own.onnx"


DATA = ("--calibration", "train.npz", "--data", "test.npz")
CONV = "it quantizes Conv only (op_types_to_quantize), and the model has other operators:"


def test_calibration_data_stand_for_random_inputs_that_a_model_cannot_be_fed_with(crossrt, dense, tmp_path):
    model = onnx.load(dense)
    features = model.graph.input[0].type.tensor_type.shape
    features.dim[0].dim_value, features.dim[1].dim_param = 1, "width"
    onnx.save(model, dense)
    code, output, errors = crossrt("quantize", "own.onnx", "--recipe", "int8-dynamic", "--calibration", "train.npz")
    assert (code, "random inputs" in errors) == (0, False), errors
    assert "without --data, answers are compared on the calibration data" in errors
    assert "int8-dynamic.onnx" in output


FEW = ("int8-qdq.onnx", "int8-qdq-conv.onnx", "int8-dynamic.onnx", "w4.onnx", "fp16.onnx")


@pytest.fixture
def few(monkeypatch):
    """Makes some of the shipped recipes all that there are, which saves time."""
    found = tuple(each for each in shipped_recipes() if each.item in FEW)
    monkeypatch.setattr(recipes, "shipped_recipes", lambda: found)


def test_a_named_recipe_that_does_not_fit_is_a_failure_that_is_told_once(crossrt, dense):
    code, output, errors = crossrt("quantize", "own.onnx", *DATA, "--out", "lab", "--recipe", "int8-qdq-conv")
    assert code == 1
    assert (output + errors).count(CONV) == 1
    assert f"failed own.int8-qdq-conv.onnx: {CONV}" in output


def test_a_recipe_that_only_a_pattern_selects_and_that_does_not_fit_is_left_out():
    unfit = {"own.int8-qdq-conv.onnx": "it has no Conv", "own.w4.onnx": "it has no product"}
    found = Artifacts(unfit=unfit)
    recipes.fail_named(found, ("int8-*", "w4"), "own")
    assert found.unfit == {"own.int8-qdq-conv.onnx": "it has no Conv"}
    assert {key: each.reason for key, each in found.problems.items()} == {"own.w4.onnx": "it has no product"}


def test_recipes_that_nobody_named_and_that_do_not_fit_are_left_out(crossrt, dense, few):
    _, output, errors = crossrt("quantize", "own.onnx", *DATA, "--out", "lab")
    assert f"left out own.int8-qdq-conv.onnx: {CONV} MatMul, Relu" in output
    assert "failed own.int8-qdq-conv" not in output
    assert "not built" not in errors


def test_without_calibration_what_needs_none_is_built(crossrt, dense, few, tmp_path):
    code, output, errors = crossrt("quantize", "own.onnx", "--out", "lab")
    assert code == 0, output + errors
    built = {path.name for path in (tmp_path / "lab").glob("*.onnx")}
    assert {"own.int8-dynamic.onnx", "own.w4.onnx", "own.fp16.onnx", "own.fp32.onnx"} <= built
    assert "own.int8-qdq.onnx" not in built
    assert "left out int8-qdq.onnx, int8-qdq-conv.onnx: --calibration DATA adds them" in output


def test_a_file_that_is_quantized_already_is_said_to_be(crossrt):
    quantized = Path(__file__).parents[2] / "data" / "models" / "conv.int8-io.tflite" / "model.tflite"
    code, _, errors = crossrt("quantize", str(quantized))
    assert code == 2
    assert f"{quantized.name} is already quantized: give the float model that it was made from" in " ".join(
        errors.split()
    )


def test_what_needs_no_calibration_is_diagnosed_without_it(crossrt, dense):
    code, output, errors = crossrt(
        "diagnose", "w4.onnx", "--model", "own.onnx", "--data", "test.npz", "--samples", "20", "--no-advice"
    )
    assert code == 0, errors
    assert "w4" in output


def test_a_named_recipe_without_the_data_that_it_needs_fails(crossrt, dense):
    code, output, _ = crossrt("quantize", "own.onnx", "--out", "lab", "--recipe", "int8-qdq")
    assert code == 1
    assert "failed own.int8-qdq.onnx: " in output


def test_recipes_of_a_pattern_that_need_data_are_left_out_and_the_rest_is_built(crossrt, dense, few):
    code, output, errors = crossrt(
        "quantize", "own.onnx", "--out", "lab", "--recipe", "int8-*", "--recipe", "int8-qdq-conv"
    )
    assert code == 1
    assert "left out int8-qdq.onnx: --calibration DATA adds them" in output
    assert "failed own.int8-qdq-conv.onnx: " in output  # this one was named
    assert "int8-dynamic.onnx" in output
    code, _, errors = crossrt("quantize", "own.onnx", "--out", "lab", "--recipe", "int8-qdq*")
    assert code == 2
    assert "int8-qdq.onnx, int8-qdq-conv.onnx: give data to calibrate with by --calibration DATA" in errors


def test_without_test_data_the_calibration_data_are_answered(crossrt, dense):
    code, output, errors = crossrt(
        *("quantize", "own.onnx", "--calibration", "train.npz", "--out", "lab", "--recipe", "int8-qdq")
    )
    assert code == 0, output + errors
    assert "without --data, answers are compared on the calibration data" in errors


def test_outputs_that_differ_much_are_a_caution_where_no_labels_judge_them(crossrt, dense, monkeypatch):
    monkeypatch.setattr(judge, "LARGE_DIFFERENCE", 0.0)
    code, output, errors = crossrt("quantize", "own.onnx", "--out", "lab", "--recipe", "int8-dynamic")
    assert code == 0, output + errors
    assert "CAUTION own.int8-dynamic.onnx: the output logits differs from the reference's by " in output


def test_a_cache_folder_that_cannot_be_used_is_named_with_its_variable(crossrt, dense, few, monkeypatch):
    monkeypatch.setenv("CROSSRT_CACHE_DIR", "/proc/zz")
    code, _, messages = crossrt("quantize", dense, "--calibration", "train.npz", "--out", "lab")
    assert code == 2
    assert "the cache folder /proc/zz/artifacts cannot be written (No such file or directory)" in messages
    assert "CROSSRT_CACHE_DIR" in messages


def test_a_runtime_that_cannot_be_used_is_told_before_anything_is_built(crossrt, dense, few, tmp_path, monkeypatch):
    broken = RuntimeInfo(name="ort-cpu", version=None, formats=("onnx",), problem="not installed")
    monkeypatch.setattr("crossrt.harness.build.export.probe_runtimes", lambda _: [broken])
    code, _, messages = crossrt("quantize", dense, "--calibration", "train.npz", "--out", "lab")
    assert (code, (tmp_path / "lab").exists()) == (2, False)
    assert "what is built cannot be checked: ort-cpu: not installed" in messages


@pytest.fixture
def weightless(tmp_path):
    """A network without weights, and samples."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", values[:1], values[1:])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, tmp_path / "own.onnx")
    np.savez(tmp_path / "train.npz", x=np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32))


SHORT = ("own.onnx", "--data", "train.npz", "--calibration", "train.npz", "--rounds", 2, "--time", 60)


def test_what_cannot_fit_and_nobody_named_is_left_out_of_a_bench_with_the_reason(crossrt, weightless, tmp_path):
    code, output, errors = crossrt("bench", *SHORT, "--out", "runs")
    assert code == 0, output + errors
    expected = (
        "own.int8-qdq.onnx, own.int8-qoperator.onnx, own.int8-dynamic.onnx: the model has no weights: nothing in it can"
        " be quantized"
    )
    assert f"left out: {expected}" in output
    (path,) = (tmp_path / "runs").glob("*/report.json")
    report = read_report(path)
    assert report.left_out == (expected,)
    assert {(each.variant, each.status) for each in report.results} == {("fp32", "ok")}


@pytest.mark.parametrize("option", [("--only", "int8-dynamic"), ("--baseline", "int8-dynamic@ort-cpu")])
def test_what_cannot_fit_and_is_named_is_a_failed_row(crossrt, weightless, option):
    code, output, errors = crossrt("bench", *SHORT, *option)
    assert code == 1
    assert "int8-dynamic@ort-cpu" in output, errors
    assert "the model has no weights: nothing in it can be quantized" in output


def test_one_reason_for_all_recipes_is_said_once(crossrt, weightless, few):
    code, output, errors = crossrt("quantize", "own.onnx", "--calibration", "train.npz", "--out", "lab")
    assert code == 0, output + errors
    assert output.count("the model has no weights") == 1
    assert "failed" not in output


def test_an_export_leaves_out_what_cannot_fit_unless_it_is_named(crossrt, weightless):
    export = ("export", "own.onnx", "--calibration", "train.npz", "--out", "lab")
    code, output, errors = crossrt(*export)
    assert code == 0, output + errors
    assert output.count("left out") == 1
    assert crossrt(*export, "--only", "int8-qdq")[0] == 1


def test_the_command_that_follows_a_failure_names_the_data_that_were_answered(crossrt, dense, monkeypatch):
    monkeypatch.setattr(judge, "agreement_problem", lambda _, __, file, *___, **____: file.quantization and "too far")
    asked = ("--recipe", "w4", "--calibration", "train.npz")
    code, output, _ = crossrt("quantize", "own.onnx", "--out", "lab", *asked)
    assert code == 1
    assert "crossrt diagnose w4.onnx --model own.onnx --data train.npz --calibration train.npz" in output
