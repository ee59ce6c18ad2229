"""What is kept of answers: enough to pair them sample by sample, in few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossrt.core.evaluation import Evaluation, Packed
from crossrt.history.store.evaluations import packed, slim, unpacked
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.version1_answers import TASK_METRICS
from crossrt.reports.statistics.paired import answered_alike

LABELS = np.random.default_rng(0).integers(0, 1_000, 10_000)


def evaluation_of(given_classes) -> Evaluation:
    is_right = given_classes == LABELS
    return Evaluation(
        task="classification",
        samples=len(LABELS),
        values={"top1": float(is_right.mean()), "max_abs_error": 1.0},
        counts={"top1": int(is_right.sum())},
        per_sample={"top1": Packed.of(is_right), "top5": Packed.of(is_right)},
        predictions=Packed.of(given_classes),
    )


def answers(seed, wrong):
    random = np.random.default_rng(seed)
    found = LABELS.copy()
    found[random.choice(len(LABELS), wrong, replace=False)] = random.integers(0, 1_000, wrong)
    return found


def test_an_evaluation_comes_back_as_it_was_kept():
    kept = slim(evaluation_of(answers(1, 300)), TASK_METRICS, Packed.of(LABELS))
    sha256, content = packed(kept)
    assert unpacked(content) == kept
    assert len(sha256) == 64


def test_only_what_is_judged_sample_by_sample_is_kept():
    kept = slim(evaluation_of(answers(1, 300)), TASK_METRICS, Packed.of(LABELS))
    assert set(kept.per_sample) == {"top1"}
    assert set(kept.values) == {"top1"}
    assert kept.classes is None


def test_ten_thousand_answers_take_little_room():
    content = packed(slim(evaluation_of(answers(1, 100)), TASK_METRICS, Packed.of(LABELS)))[1]
    assert len(content) < 1_500
    assert len(packed(slim(evaluation_of(answers(1, 100)), TASK_METRICS, None))[1]) > 4 * len(content)


@pytest.mark.parametrize("labels", [Packed.of(LABELS), None])
def test_who_answers_alike_is_known_as_before(labels):
    one, other = (evaluation_of(answers(seed, 2_000)) for seed in (1, 2))
    known = answered_alike(*(slim(each, TASK_METRICS, labels) for each in (one, other)))
    np.testing.assert_array_equal(known, answered_alike(one, other))


@given(arrays(np.int64, 50, elements=st.integers(0, 65_535)), arrays(np.int64, 50, elements=st.integers(0, 65_535)))
def test_classes_of_any_size_are_kept(given_classes, labels):
    evaluation = Evaluation(task="t", samples=50, values={}, predictions=Packed.of(given_classes))
    kept = unpacked(packed(slim(evaluation, (), Packed.of(labels)))[1]).predictions.unpack()
    np.testing.assert_array_equal(np.where(kept < 0, labels, kept), given_classes)


@pytest.mark.parametrize("content", [b"", b"no zlib", packed(evaluation_of(LABELS))[1][:-9]])
def test_damaged_bytes_are_an_error_that_says_what_to_do(content):
    with pytest.raises(ReportError, match="damaged evaluation"):
        unpacked(content)
