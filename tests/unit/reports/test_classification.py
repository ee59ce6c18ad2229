"""Scores of a classifier against scikit-learn's."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from crossrt.reports.statistics.classification import class_scores, confusion_matrix, judge_logits

CLASSES = range(10)


@pytest.fixture(params=["every class is called", "class 3 is never called", "class 3 is never there"])
def answers(request):
    """Seeded true classes and what they were called, right about 7 times in 10."""
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 10, 500).astype(np.uint8)
    called = np.where(generator.random(500) < 0.7, labels, generator.integers(0, 10, 500)).astype(np.intp)
    if request.param == "class 3 is never called":
        called[called == 3] = 8
    if request.param == "class 3 is never there":
        labels[labels == 3] = 8
    return labels, called


def logits_of(called):
    logits = np.random.default_rng(6).random((len(called), 10), dtype=np.float32)
    logits[np.arange(len(called)), called] = 2.0
    return logits


def test_confusion_matrix_is_scikit_learns(answers):
    expected = sklearn_metrics.confusion_matrix(*answers, labels=CLASSES)
    np.testing.assert_array_equal(confusion_matrix(*answers, classes=10), expected)


def test_rows_of_the_confusion_matrix_are_true_classes():
    confusion = confusion_matrix(np.array([2], np.uint8), np.array([7]), classes=10)
    assert confusion[2, 7] == 1
    assert confusion.sum() == 1


def test_largest_class_pair_does_not_overflow_the_labels_bytes():
    assert confusion_matrix(np.array([9], np.uint8), np.array([9]), classes=100)[9, 9] == 1


def test_class_scores_are_scikit_learns(answers):
    expected = sklearn_metrics.precision_recall_fscore_support(*answers, labels=CLASSES, zero_division=0)
    scores = class_scores(confusion_matrix(*answers, classes=10))
    found = [(score.precision, score.recall, score.f1, score.support) for score in scores]
    np.testing.assert_allclose(found, np.transpose(expected))


def test_a_class_that_is_called_once_and_rightly_has_full_scores():
    (score,) = class_scores(np.array([[1]]))
    assert (score.precision, score.recall, score.f1, score.support) == (1.0, 1.0, 1.0, 1)


def test_macro_f1_is_scikit_learns(answers, make_result, make_report):
    labels, called = answers
    result = make_result(accuracy=judge_logits(logits_of(called), labels, None))
    found = next(metric.value for metric in make_report(result).metrics if metric.name == "macro_f1")
    expected = sklearn_metrics.f1_score(labels, called, labels=CLASSES, average="macro", zero_division=0)
    assert found == pytest.approx(expected)


def test_accuracy_counts_right_answers(answers):
    labels, called = answers
    accuracy = judge_logits(logits_of(called), labels, None)
    assert accuracy.samples == 500
    assert accuracy.correct / 500 == pytest.approx(sklearn_metrics.accuracy_score(labels, called))


def test_agreement_is_held_against_the_reference_not_the_labels(answers):
    labels, called = answers
    reference = logits_of(called)
    other = reference.copy()
    other[np.arange(50), (called[:50] + 1) % 10] = 3.0
    assert judge_logits(other, labels, reference).agreement == pytest.approx(450 / 500)


def test_reference_correct_scores_the_reference_itself(answers):
    labels, called = answers
    accuracy = judge_logits(logits_of(labels.astype(np.intp)), labels, logits_of(called))
    assert (accuracy.correct, accuracy.reference_correct) == (500, int((labels == called).sum()))


@pytest.mark.parametrize("sign", [-1, 1])
def test_max_abs_error_is_the_largest_difference_of_any_logit(sign):
    logits = np.zeros((3, 10), np.float32)
    reference = logits.copy()
    reference[1, 4], reference[2, 2] = sign * 2.5, sign * -1.5
    assert judge_logits(logits, np.zeros(3, np.uint8), reference).max_abs_error == 2.5


def test_without_reference_nothing_is_said_about_agreement():
    accuracy = judge_logits(np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8), None)
    assert (accuracy.agreement, accuracy.max_abs_error, accuracy.reference_correct) == (None, None, None)


def test_logits_hash_covers_every_bit():
    logits, labels = np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8)
    nudged = logits.copy()
    nudged[9, 0] = np.nextafter(np.float32(0), np.float32(1))
    assert judge_logits(logits, labels, None).logits_sha256 == hashlib.sha256(logits.tobytes()).hexdigest()
    assert judge_logits(logits, labels, None).logits_sha256 != judge_logits(nudged, labels, None).logits_sha256


def test_logits_hash_does_not_depend_on_memory_layout():
    logits, labels = logits_of(np.arange(10)), np.arange(10, dtype=np.uint8)
    transposed = np.asfortranarray(logits)
    assert judge_logits(logits, labels, None).logits_sha256 == judge_logits(transposed, labels, None).logits_sha256
