"""Version 1 as version 2: what every record becomes, and what cannot be converted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from crossrt.core.evaluation import Packed
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.files import decode_report, read_duel, read_report, write_report
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.paired import answered_alike
from crossrt.reports.tables.duel_text import duel_lines
from crossrt.reports.verdicts.duel import judge_duel
from crossrt.reports.verdicts.duel_reports import arm_report


@pytest.fixture
def document(sample_path):
    """The sample as version 1, with wrong answers named in the second case."""
    found = json.loads(sample_path.read_bytes())
    accuracy = found["results"][1]["accuracy"]
    accuracy["misclassified"] = [[index * 3, 7] for index in range(accuracy["samples"] - accuracy["correct"])]
    accuracy["sqnr_db"] = 40.0
    return found


def converted(document):
    return decode_report(json.dumps(document).encode(), "old.json")


def test_calls_are_cut_into_blocks(document):
    found = converted(document).results[0].rounds[0]
    old = document["results"][0]["rounds"][0]
    assert [len(block) for block in found.blocks_ns] == [14] * 5
    assert [call for block in found.blocks_ns for call in block] == old["latency_ns"]
    assert found.first_inference_ns == old["first_run_ns"]


def test_calls_beyond_the_last_whole_block_are_dropped(document):
    document["results"][0]["rounds"][0]["latency_ns"] += [1, 2, 3]
    assert [len(block) for block in converted(document).results[0].rounds[0].blocks_ns] == [14] * 5


@pytest.mark.parametrize("length", [0, 71])
def test_blocks_that_no_round_could_hold_are_refused(document, length):
    document["results"][0]["calls_per_block"] = length
    with pytest.raises(ReportError, match=f"70 calls in blocks of {length}"):
        converted(document)


@pytest.mark.parametrize(("old", "new"), [("twin", "replicate"), ("floor", "noop"), ("anchor", "reference")])
def test_controls_have_standard_names(document, old, new):
    rounds = document["results"][0]["rounds"]
    control = {"kind": old, "of": "x", "batch_size": 1, "threads": 1, "calls_per_block": 7, "rounds": rounds}
    found = converted({**document, "controls": [control]}).controls[0]
    assert (found.kind, len(found.rounds[0].blocks_ns)) == (new, 10)


def test_metrics_are_renamed_and_every_one_is_defined(document):
    document["metrics"].append({**document["metrics"][0], "name": "of_a_later_crossrt"})
    found = converted(document)
    names = {metric.name for metric in found.metrics}
    assert {"first_inference_ns", "agreement"} <= names
    assert not {"first_run_ns", "agreement_fp32"} & names
    assert names <= {definition.name for definition in found.definitions}


def test_accuracy_is_the_evaluation_of_a_classification(document):
    old, found = document["results"][1]["accuracy"], converted(document).results[1].evaluation
    assert found.task == "classification"
    assert found.values["top1"] == old["correct"] / 10_000
    assert found.values["macro_f1"] == pytest.approx(np.mean([score["f1"] for score in old["per_class"]]))
    assert found.counts == {"top1": old["correct"], "agreement": 9_994}
    assert found.reference_values == {"top1": old["reference_correct"] / 10_000}
    assert found.outputs[0].output == "logits"
    assert found.outputs[0].relative == pytest.approx(0.01)
    assert found.values.keys() <= {each.name for each in TASK_METRICS}


def test_wrong_answers_are_predictions_and_right_ones_stand_for_the_label(document):
    found = converted(document).results[1].evaluation
    predictions, right = found.predictions.unpack(), found.per_sample["top1"].unpack()
    assert (predictions[[0, 1, 3]].tolist(), right[[0, 1, 3]].tolist()) == ([7, -1, 7], [False, True, False])
    assert right.sum() == found.counts["top1"]


def test_answers_of_version_1_pair_with_those_of_version_2(document):
    old = converted(document).results[1].evaluation
    right = old.per_sample["top1"].unpack().copy()
    labels = np.arange(10_000, dtype=np.int32) % 5
    predictions = np.where(right, labels, 7).astype(np.int32)
    predictions[1], right[1] = 9, False
    new = type(old)(
        task="classification",
        samples=10_000,
        values={"top1": float(right.mean())},
        per_sample={"top1": Packed.of(right)},
        predictions=Packed.of(predictions),
    )
    for alike in (answered_alike(old, new), answered_alike(new, old)):
        assert np.flatnonzero(~alike).tolist() == [1]


def test_an_old_report_without_single_samples_has_none(sample):
    assert all(result.evaluation.predictions is None for result in sample.results)


def test_the_machine_the_data_and_the_model_have_places_of_their_own(document, sample):
    old = document["environment"]
    assert (sample.data.fingerprint, sample.model_sha256) == (old["data_sha256"], old["model_sha256"])
    assert (sample.data.samples, sample.data.is_random, sample.reference) == (10_000, False, "the Keras model")
    assert sample.environment.cpu_model == old["cpu_model"]


def test_subjects_models_and_variants_come_from_the_artifacts(sample):
    assert [(each.subject, each.model, each.variant) for each in sample.results] == [
        ("mnist-cnn.fp32@ort-cpu", "mnist-cnn", "fp32"),
        ("mnist-cnn.int8-qdq@ort-cpu", "mnist-cnn", "int8-qdq"),
        ("mnist-cnn.fp32@tflite", "mnist-cnn", "fp32"),
    ]
    assert [(each.role, each.batch_dimension) for each in sample.artifacts] == [
        ("float", "batch"),
        ("quantized", "batch"),
        ("float", "batch"),
    ]
    assert sample.artifacts[0].inputs[0].shape == ("batch", 28, 28, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": 10_001}, "answers 10001 of 10000 samples right"),
        ({"misclassified": [[5, 1]]}, "names 1 wrong answers and counts others"),
        ({"misclassified": [[10_000 + index, 1] for index in range(57)]}, "samples that do not exist"),
        ({"confusion": [[1, 2], [3]]}, "is not 10 × 10"),
        ({"samples": 2**70}, r"<= 10000000"),
    ],
)
def test_answers_that_contradict_themselves_are_refused(document, change, message):
    document["results"][1]["accuracy"].update(change)
    with pytest.raises(ReportError, match=message):
        converted(document)


def test_a_converted_report_is_written_as_version_2(sample, tmp_path):
    write_report(sample, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_bytes())["schema_version"] == 2
    assert read_report(tmp_path / "report.json") == sample


def test_a_duel_of_version_1_is_judged_as_before(document, tmp_path):
    result = document["results"][1]
    calls = [round_ | {"index": index} for index, round_ in enumerate(result["rounds"] * 3)]
    arm = {"result": {**result, "rounds": calls}, "twin_rounds": calls, "environment": document["environment"]}
    duel = {
        "schema_version": 1,
        "kind": "duel",
        "run": document["run"],
        "margin": 0.02,
        "budget_s": 10.0,
        "artifacts": document["artifacts"][1:2],
        "a": arm,
        "b": arm,
        "looks": [{"rounds": 6, "alpha": 0.005}],
    }
    path = tmp_path / "duel.json"
    path.write_text(json.dumps(duel))
    found = read_duel(path)
    assert judge_duel(found).verdict == "same"
    assert found.data.fingerprint == document["environment"]["data_sha256"]
    assert any(line.split() == ["answers", "the", "same"] for line in duel_lines(found))
    write_report(found, path)
    assert read_duel(path) == found


def test_a_side_of_a_duel_is_a_report_with_its_replicate(document, tmp_path):
    result = document["results"][1]
    arm = {"result": result, "twin_rounds": result["rounds"], "environment": document["environment"]}
    duel = {"schema_version": 1, "kind": "duel", "margin": 0.02, "budget_s": 10.0, "looks": [], "a": arm, "b": arm}
    path = tmp_path / "duel.json"
    path.write_text(json.dumps({**duel, "run": document["run"], "artifacts": document["artifacts"]}))
    found = read_duel(path)
    report = arm_report(found, found.a)
    assert [(control.kind, control.of) for control in report.controls] == [("replicate", result["case"])]
    assert {"top1", "latency_p50_ns", "size_bytes"} <= {metric.name for metric in report.metrics}
    write_report(report, tmp_path / "a.json")
    assert read_report(tmp_path / "a.json") == report
