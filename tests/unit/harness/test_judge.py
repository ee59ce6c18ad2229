"""What is too far from the reference to be a result, and why."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossrt.core.artifact import Training
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation, OutputError, Packed
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.tasks.choosing import make_task
from crossrt.harness.evaluate import judge as module
from crossrt.harness.evaluate.distances import case_outputs
from crossrt.harness.evaluate.judge import (
    Judge,
    Reference,
    agreement_problem,
    difference_caution,
    saturation,
    steps_of,
)
from crossrt.harness.measure.case import Case, Scenario

SCORES = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


def judge_of(labels=None, **outputs):
    task = make_task(None, labels, outputs)
    return Judge(task, labels, Reference(outputs=outputs, description="the reference"))


@pytest.fixture
def float_artifact(make_artifact):
    logits = TensorSpec(name="logits", dtype="float32", shape=("batch", 5))
    return make_artifact(role="float", quantization=None, outputs=(logits,))


def evaluation(agreement=None, relative=None, predictions=None):
    values = {} if agreement is None else {"agreement": agreement}
    outputs = () if relative is None else (OutputError(output="y", max_abs=1.0, relative=relative),)
    return Evaluation(task="agreement", samples=40, values=values, outputs=outputs, predictions=predictions)


CLASSES = Packed.of(np.zeros(40, np.int64))


def test_the_reference_agrees_with_itself(float_artifact):
    found = judge_of(labels=SCORES.argmax(1), logits=SCORES).evaluate({"logits": SCORES}, float_artifact)
    assert (found.values["agreement"], found.values["top1"]) == (1.0, 1.0)
    assert agreement_problem(found, 1.0, float_artifact) is None


@pytest.mark.parametrize("size", [1e-4, 1.0, 5e3, 1e8])
def test_float_arithmetic_in_another_order_is_near_enough_at_any_size(size, float_artifact):
    """An absolute tolerance would refuse a sound file whose outputs are in the thousands."""
    judge = judge_of(y=SCORES * np.float32(size))
    found = judge.evaluate({"y": SCORES * np.float32(size) * np.float32(1 + 2e-6)}, float_artifact)
    assert found.values["agreement"] == 1.0
    assert judge.problem(found, 0.99, float_artifact) is None


def test_outputs_of_other_names_are_matched_by_their_shapes(float_artifact):
    found = judge_of(logits=SCORES).evaluate({"StatefulPartitionedCall:0": SCORES}, float_artifact)
    assert found.values["agreement"] == 1.0
    assert [each.output for each in found.outputs] == ["logits"]


def test_outputs_that_cannot_be_matched_are_refused(float_artifact):
    with pytest.raises(DataError, match="outputs of the reference cannot be found: logits"):
        judge_of(logits=SCORES).evaluate({"y": SCORES[:, 0]}, float_artifact)


def test_differences_are_told_in_steps_of_the_quantized_output(make_artifact):
    spec = TensorSpec(name="logits", dtype="int8", shape=("batch", 5), scale=0.25, zero_point=0)
    artifact = make_artifact(outputs=(spec,))
    found = judge_of(logits=SCORES).evaluate({"logits": SCORES + np.float32(0.5)}, artifact)
    assert found.outputs[0].max_steps == pytest.approx(2, rel=1e-5)
    assert steps_of(artifact) == {"logits": 0.25}


def test_steps_of_an_output_that_the_file_dequantizes_last_are_known(make_artifact):
    spec = TensorSpec(name="logits", dtype="float32", shape=("batch", 5), step=0.5)
    assert steps_of(make_artifact(outputs=(spec,))) == {"logits": 0.5}


@pytest.mark.parametrize(("agreement", "fails"), [(1.0, False), (0.99, False), (0.98, True), (0.0, True)])
def test_classes_must_agree_whatever_the_file(make_artifact, agreement, fails):
    problem = agreement_problem(evaluation(agreement, predictions=CLASSES), 0.99, make_artifact())
    assert (problem is not None) == fails
    assert problem is None or f"answers {agreement:.2%} of the samples like the reference" in problem


def labelled(samples, wrong, changed=0):
    """A judge whose reference is right but for `changed` samples, and scores that are right but for `wrong` others."""
    labels = np.arange(samples) % 5
    reference = np.eye(5, dtype=np.float32)[labels]
    answers = reference.copy()
    answers[:wrong] = np.roll(answers[:wrong], 1, axis=1)
    reference[samples - changed :] = np.roll(reference[samples - changed :], 1, axis=1)
    return judge_of(labels=labels, logits=reference), {"logits": answers}


@pytest.mark.parametrize(
    ("samples", "wrong", "changed", "fails"),
    [
        (1000, 15, 15, False),  # agreement 97%, accuracy as before
        (1000, 20, 0, True),  # 2 pp are lost, not by chance
        (1000, 9, 0, False),  # less than the limit is lost
        (60, 1, 0, False),  # one of 60 may be chance
        (1000, 60, 60, True),  # agreement is below 90%
    ],
)
def test_with_labels_accuracy_judges_quantized_classes(make_artifact, samples, wrong, changed, fails):
    judge, answers = labelled(samples, wrong, changed)
    artifact = make_artifact(outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 5)),))
    problem = judge.problem(judge.evaluate(answers, artifact), 0.99, artifact)
    assert (problem is not None) == fails
    assert problem is None or "accuracy changes by " in problem


def test_the_rule_that_failed_is_named(make_artifact):
    artifact = make_artifact(outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 5)),))
    judge, answers = labelled(1000, 20)
    assert judge.problem(judge.evaluate(answers, artifact), 0.99, artifact).startswith(
        "answers 98.00% of the samples like the reference; fewer than --min-agreement 99.00% pass only where accuracy"
        " falls by at most 1.00 pp; accuracy changes by -2.00 pp ["
    )
    judge, answers = labelled(1000, 60, 60)
    assert "; --min-agreement asks for 99.00%" in judge.problem(judge.evaluate(answers, artifact), 0.99, artifact)


@pytest.mark.parametrize(
    ("wrong", "changed", "fails"),
    [
        (0, 150, False),  # agreement is 85%, as the trained file is better than the reference
        (150, 150, False),  # agreement is 70%, accuracy as before
        (60, 0, True),  # accuracy falls, and not by chance
    ],
)
def test_accuracy_alone_judges_a_file_that_was_trained(make_artifact, wrong, changed, fails):
    judge, answers = labelled(1000, wrong, changed)
    artifact = make_artifact(outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 5)),))
    artifact = dataclasses.replace(artifact, training=Training(epochs=()))
    larger = {"logits": 3 * answers["logits"]}  # further training makes logits larger
    assert (judge.problem(judge.evaluate(larger, artifact), 0.99, artifact) is not None) == fails


def test_a_float_file_must_agree_even_where_accuracy_is_kept(float_artifact):
    judge, answers = labelled(1000, 15, 15)
    assert "97.00%" in judge.problem(judge.evaluate(answers, float_artifact), 0.99, float_artifact)


@pytest.mark.parametrize(("relative", "is_said"), [(0.1, False), (0.74, True)])
def test_outputs_far_from_the_reference_are_a_caution_where_nothing_judges_them(relative, is_said):
    caution = difference_caution(evaluation(0.26, relative=relative))
    assert (caution is not None) == is_said
    assert caution is None or "by 74% of its own size; give --data" in caution
    assert difference_caution(evaluation(0.26, relative=relative, predictions=CLASSES)) is None


def test_outputs_of_a_float_file_must_agree(float_artifact):
    assert "--min-agreement asks for 99.00%" in agreement_problem(evaluation(0.5), 0.99, float_artifact)


def test_outputs_of_a_quantized_file_may_differ_by_their_quantization(make_artifact):
    assert agreement_problem(evaluation(0.5, relative=0.2), 0.99, make_artifact()) is None


def test_outputs_that_differ_by_more_than_their_own_size_are_wrong(make_artifact):
    problem = agreement_problem(evaluation(0.5, relative=1.25), 0.99, make_artifact())
    assert problem == "the output y differs from the reference's by 1.25 times its own size"


def test_the_likely_cause_is_told(make_artifact):
    artifact = make_artifact()
    known = dataclasses.replace(artifact.quantization, known_issues=("symmetric ranges remove Relu: set X",))
    problem = agreement_problem(
        evaluation(0.5, predictions=CLASSES), 0.99, dataclasses.replace(artifact, quantization=known)
    )
    assert problem.endswith(". Likely cause: symmetric ranges remove Relu: set X")


@pytest.mark.parametrize(
    ("runtime", "dtype", "is_told"),
    [("openvino", "uint16", True), ("openvino", "uint8", False), (None, "uint16", False)],
)
def test_openvino_is_told_to_be_the_cause_where_activations_have_16_bits(make_artifact, runtime, dtype, is_told):
    artifact = make_artifact()
    wide = dataclasses.replace(artifact.quantization, activation_type=dtype)
    found, file = evaluation(0.5, predictions=CLASSES), dataclasses.replace(artifact, quantization=wide)
    assert ("activations of 16 bits" in agreement_problem(found, 0.99, file, runtime=runtime)) == is_told


@pytest.mark.parametrize(
    ("representation", "reduce_range", "vnni", "affected"),
    [
        ("qdq", False, False, True),
        ("qdq", True, False, False),
        ("qdq", False, True, False),
        ("tflite", False, False, False),
    ],
)
def test_sums_saturate_on_processors_without_vnni(
    make_artifact, monkeypatch, representation, reduce_range, vnni, affected
):
    monkeypatch.setattr(module, "has_vnni", lambda: vnni)
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    quantization = dataclasses.replace(
        make_artifact().quantization, representation=representation, reduce_range=reduce_range
    )
    assert bool(saturation(quantization)) == affected


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        (np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True), "probabilities"),
        (1 / (1 + np.exp(-SCORES)), "independent probabilities"),
        (SCORES, "logits"),
    ],
)
def test_what_scores_are_follows_from_the_reference_and_holds_for_all_cases(reference, kind, float_artifact):
    """A coarse softmax does not sum to one, and coarse logits may all lie within 0 to 1."""
    judge = judge_of(labels=SCORES.argmax(1), p=reference)
    case = Case(model="m", variant="v", format="onnx", runtime="ort-cpu", scenario=Scenario(batch_size=1, threads=1))
    coarse = np.round(reference * 4).clip(0, 4).astype(np.float32) / 4
    found = case_outputs(case, float_artifact, {"p": coarse}, judge)
    assert (found.scores, found.kind) == ("p", kind)
