"""A model that draws random numbers is never called equal to itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from crossrt.core.evaluation import Evaluation, Packed
from crossrt.datasets.opening import DataRequest
from crossrt.harness.build.model_files import model_artifact
from crossrt.harness.evaluate.judge import agreement_problem
from crossrt.harness.evaluate.reference_check import reference_cautions
from crossrt.harness.evaluate.repeating import unrepeated
from crossrt.reports.schema.files import read_duel, read_report

VALUES = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "again", [VALUES, VALUES[:5], VALUES * np.float32(1 + 1e-6)], ids=["same", "fewer", "float arithmetic"]
)
def test_the_same_answers_are_the_same_again(again):
    assert unrepeated({"y": VALUES}, {"y": again}, "the second time") is None


def test_as_many_samples_are_compared_as_both_processes_answered():
    more = np.concatenate([VALUES, VALUES])
    assert unrepeated({"y": VALUES}, {"y": more}, "in a fresh process") is None
    found = unrepeated({"y": VALUES + 1}, {"y": more}, "in a fresh process")
    assert (found.changed, found.samples) == (8, 8)


def test_missing_numbers_in_the_same_places_are_the_same_again():
    values = np.where(VALUES > 1, np.float32(np.nan), VALUES)
    assert unrepeated({"y": values}, {"y": values.copy()}, "the second time") is None


@pytest.mark.parametrize(
    "again", [np.where(np.arange(8)[:, None] == 2, 9, VALUES), np.where(np.arange(8)[:, None] == 2, np.nan, VALUES)]
)
def test_samples_that_are_answered_differently_are_counted(again):
    found = unrepeated({"y": VALUES}, {"y": again.astype(np.float32)}, "in a fresh process")
    assert (found.changed, found.samples) == (1, 8)
    assert "fp32 on x answered 1 of 8 samples differently in a fresh process" in found.caution("fp32 on x")


def test_classes_and_text_are_compared_as_they_are():
    assert unrepeated({"y": np.arange(4)}, {"y": np.array([0, 1, 2, 4])}, "the second time").changed == 1
    assert unrepeated({"y": np.array(["a", "b"])}, {"y": np.array(["a", "c"])}, "the second time").changed == 1


def test_nothing_about_a_file_is_likely_the_cause_where_the_reference_does_not_repeat_itself(make_artifact):
    artifact = make_artifact()
    known = dataclasses.replace(artifact.quantization, known_issues=("symmetric ranges remove Relu: set X",))
    artifact = dataclasses.replace(artifact, quantization=known)
    classes = Packed.of(np.zeros(40, np.int64))
    found = Evaluation(task="agreement", samples=40, values={"agreement": 0.5}, predictions=classes)
    problem = agreement_problem(found, 0.99, artifact, repeats=False)
    assert "Likely cause" not in problem
    assert problem.endswith("the reference does not repeat its own answers either")


def test_a_file_that_does_not_repeat_itself_is_its_own_cause(make_artifact):
    artifact = make_artifact()
    known = dataclasses.replace(artifact.quantization, known_issues=("symmetric ranges remove Relu: set X",))
    artifact = dataclasses.replace(artifact, quantization=known)
    found = Evaluation(
        task="agreement", samples=40, values={"agreement": 0.5}, predictions=Packed.of(np.zeros(40, int))
    )
    own = unrepeated({"y": VALUES}, {"y": VALUES + 1}, "the second time")
    problem = agreement_problem(found, 0.99, artifact, own=own)
    assert "Likely cause" not in problem
    assert "Cause: it does not repeat its own answers: it answered 8 of 8 samples differently the second" in problem


def write_model(path, operator):
    """A linear model; what its operator gives is added to its outputs."""
    weights = numpy_helper.from_array(np.eye(4, 3, dtype=np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["plain"]),
        helper.make_node(operator, ["plain"], ["extra"]),
        helper.make_node("Add", ["plain", "extra"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", 1, ["batch", 4])]
    outputs = [helper.make_tensor_value_info("y", 1, ["batch", 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.fixture
def drawn(tmp_path):
    x = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    np.savez(tmp_path / "drawn.npz", x=x, labels=x[:, :3].argmax(axis=1))
    return tmp_path / "drawn.npz"


@pytest.mark.processes
def test_a_random_reference_is_a_caution_above_everything(crossrt, tmp_path, drawn):
    noisy = write_model(tmp_path / "noisy.onnx", "RandomNormalLike")
    arguments = (noisy, "--data", drawn, "--only", "fp32@ort-cpu", "--batch", 1, "--rounds", 2, "--time", 60)
    done = crossrt("bench", *arguments, COLUMNS="300")
    assert done.stdout.startswith("CAUTION: the reference does not repeat its own answers: fp32 on ort-cpu"), done
    (path,) = tmp_path.glob("results/*/report.json")
    (result,) = read_report(path).results
    assert result.evaluation.values["agreement"] < 1


@pytest.mark.processes
def test_a_random_file_beside_a_steady_reference_fails_with_that_as_its_cause(crossrt, tmp_path, drawn):
    operators = {"steady": "Relu", "noisy": "RandomNormalLike", "other": "Neg"}  # the last one answers zero, always
    models = [write_model(tmp_path / f"{name}.onnx", operator) for name, operator in operators.items()]
    arguments = ("--data", drawn, "--only", "ort-cpu", "--batch", 1, "--rounds", 1, "--time", 60)
    done = crossrt("bench", *models, *arguments, COLUMNS="300")
    assert not done.stdout.startswith("CAUTION: the reference"), done
    (path,) = tmp_path.glob("results/*/report.json")
    reasons = {each.variant: each.reason for each in read_report(path).results}
    assert reasons["steady"] is None
    assert "Cause: it does not repeat its own answers: it answered 32 of 32 samples differently" in reasons["noisy"]
    assert "--min-agreement asks for 99.00%" in reasons["other"]
    assert "Cause" not in reasons["other"]


@pytest.mark.processes
@pytest.mark.usefixtures("short_duels")
@pytest.mark.parametrize(("operator", "repeats"), [("RandomNormalLike", False), ("Relu", True)])
def test_a_comparison_calls_answers_the_same_only_where_they_repeat(crossrt, tmp_path, drawn, operator, repeats):
    model = write_model(tmp_path / "model.onnx", operator)
    done = crossrt("duel", model, model, "--data", drawn, "--budget", 1, COLUMNS="300")
    assert done.stdout.startswith("CAUTION: the reference does not repeat its own") != repeats, done
    assert ("answers                not compared: the reference does not" in done.stdout) != repeats
    (path,) = tmp_path.glob("results/*/duel.json")
    assert read_duel(path).answers_repeat == repeats


@pytest.mark.processes
@pytest.mark.parametrize(("operator", "repeats"), [("RandomNormalLike", False), ("Relu", True)])
def test_commands_that_look_into_files_say_so_too_without_labels(tmp_path, operator, repeats):
    artifact = model_artifact(write_model(tmp_path / "model.onnx", operator))
    np.savez(tmp_path / "x.npz", x=VALUES[:, :1] + np.zeros((8, 4), np.float32))
    request = DataRequest(reference=str(tmp_path / "x.npz"))
    found = reference_cautions(artifact, request, None, 8, {}, tmp_path)
    assert bool(found) != repeats
    assert repeats or "model.onnx answered 8 of 8 samples differently the second time" in found[0]
