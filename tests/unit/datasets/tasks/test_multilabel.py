import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from crossrt.core.errors import DataError
from crossrt.datasets.tasks import multilabel
from crossrt.datasets.tasks.multilabel import Multilabel, average_precision
from crossrt.datasets.tasks.protocol import HasOptions, KnowsChance

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, (80, 5))
LOGITS = (LABELS * 2 - 1) * 2 + RNG.normal(size=LABELS.shape) * 2


def scored(answers, labels, reference=None, **options):
    outputs = answers if isinstance(answers, dict) else {"y": answers}
    return Multilabel(**options).evaluate(outputs, labels, None if reference is None else {"y": reference}, {})


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 40), st.integers(2, 6), st.integers(0, 2**31))
def test_metrics_are_those_of_scikit_learn(samples, classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (samples, classes))
    labels[0] = 1
    scores = rng.integers(-5, 6, labels.shape) / 2.0
    scores[0, 0] = -1.0
    values = scored(scores, labels).values
    answers = scores > 0
    assert values["subset_accuracy"] == pytest.approx(accuracy_score(labels, answers))
    assert values["micro_f1"] == pytest.approx(f1_score(labels, answers, average="micro", zero_division=0))
    assert values["macro_f1"] == pytest.approx(f1_score(labels, answers, average="macro", zero_division=0))
    assert values["mean_ap"] == pytest.approx(average_precision_score(labels, scores, average="macro"))


def test_average_precision_treats_equal_scores_as_one_threshold():
    labels = np.array([True, False, True, False])
    assert average_precision(labels, np.zeros(4)) == 0.5
    assert average_precision(labels, np.array([1, np.nan, 2, np.nan])) == 1.0


def test_classes_without_labels_take_no_part_in_mean_ap(monkeypatch):
    labels = LABELS.copy()
    labels[:, 2] = 0
    expected = average_precision_score(np.delete(labels, 2, 1), np.delete(LOGITS, 2, 1), average="macro")
    monkeypatch.setattr(multilabel, "VALUES", 100)
    assert scored(LOGITS, labels).values["mean_ap"] == pytest.approx(expected)
    assert "mean_ap" not in scored(LOGITS, np.zeros_like(LABELS)).values


def test_logits_and_probabilities_are_told_apart_and_said():
    logits, shares = scored(LOGITS, LABELS), scored(1 / (1 + np.exp(-LOGITS)), LABELS)
    assert logits.values == pytest.approx(shares.values)
    assert "logits: a class is given where its score is above 0" in logits.notes[0]
    assert "probabilities: a class is given where its score is above 0.5" in shares.notes[0]


def test_agreement_is_the_same_set_of_classes():
    other = LOGITS.copy()
    other[:20, 1] *= -1
    found = scored(other, LABELS, LOGITS)
    assert found.values["agreement"] == 0.75
    assert found.reference_values == scored(LOGITS, LABELS).values
    assert list(found.values) == [metric.name for metric in Multilabel().metrics]
    assert found.counts == {name: int(each.unpack().sum()) for name, each in found.per_sample.items()}


@pytest.mark.parametrize("labels", [LABELS.astype(bool), LABELS.astype(np.float32), LABELS.astype(np.uint8)])
def test_labels_may_be_of_any_dtype(labels):
    assert scored(LOGITS, labels).values == scored(LOGITS, LABELS).values


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs labels"),
        (LABELS * 2, r"labels hold 2 and \d+ more values other than 0 and 1"),
        (LABELS[:, :3], r"\(80, 3\) do not fit any output; found y float64 \(80, 5\)"),
        (LABELS[:, 0], r"\(80,\); expected \(samples, classes\)"),
        (LABELS[:7], r"\(7, 5\) for 80 samples"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Multilabel().check({"y": LOGITS}, labels)


def test_several_outputs_must_be_named():
    outputs = {"a": LOGITS, "b": LOGITS}
    with pytest.raises(DataError, match="multilabel:output=a"):
        scored(outputs, LABELS)
    named = Multilabel().with_options({"output": "b"})
    assert named.evaluate(outputs, LABELS, None, {}).values == scored(LOGITS, LABELS).values
    with pytest.raises(DataError, match="output 'c'; available: a, b"):
        scored(outputs, LABELS, output="c")


def test_one_sample():
    values = scored(np.array([[0.9, 0.1]]), np.array([[1, 0]])).values
    assert values == {"subset_accuracy": 1.0, "micro_f1": 1.0, "macro_f1": 0.5, "mean_ap": 1.0}


def test_scores_that_say_nothing_are_near_chance():
    task = Multilabel()
    assert isinstance(task, KnowsChance)
    assert isinstance(task, HasOptions)
    assert task.looks_like_chance(scored(LOGITS, LABELS), LABELS) is None
    constant = scored(np.ones_like(LOGITS), LABELS)
    assert "is no better than random scores" in task.looks_like_chance(constant, LABELS)
