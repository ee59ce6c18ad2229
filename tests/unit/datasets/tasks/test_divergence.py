import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from scipy.stats import entropy

from crossrt.core.errors import DataError
from crossrt.datasets.tasks.divergence import divergence

RNG = np.random.default_rng(0)
ONE, OTHER = RNG.normal(size=(30, 7)), RNG.normal(size=(30, 7))
EXPECTED = float(np.mean([entropy(p, q) for p, q in zip(softmax(ONE, axis=1), softmax(OTHER, axis=1), strict=True)]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ONE, OTHER),
        (ONE + 50, OTHER * 1.0 - 3),
        (softmax(ONE, axis=1), softmax(OTHER, axis=1)),
        (ONE, softmax(OTHER, axis=1)),
        (np.log(softmax(ONE, axis=1)), OTHER),
    ],
)
def test_it_is_the_same_for_logits_and_for_probabilities(one, other):
    assert divergence(one, other) == pytest.approx(EXPECTED, rel=1e-9)


def test_a_single_score_is_that_of_two_classes():
    logits, others = ONE[:, :1], OTHER[:, :1]
    p, q = expit(logits), expit(others)
    expected = float(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))
    assert divergence(logits, others) == pytest.approx(expected)
    assert divergence(p, q) == pytest.approx(expected)


def test_probabilities_of_zero_do_not_make_it_infinite():
    found = divergence(np.eye(3), np.eye(3)[::-1])
    assert 10 < found < 20
    assert divergence(np.eye(3), np.eye(3)) == pytest.approx(0, abs=1e-12)


scores = arrays(np.float32, st.tuples(st.just(4), st.just(3)), elements=st.floats(width=32))


@given(scores, scores)
def test_it_is_finite_and_not_negative_whatever_the_scores_are(one, other):
    assert 0 <= divergence(one, other) < np.inf
    assert divergence(one, one.copy()) == 0


def test_others_are_refused():
    with pytest.raises(DataError, match=r"\(3, 2\) and \(3, 4\)"):
        divergence(np.ones((3, 2)), np.ones((3, 4)))
    with pytest.raises(DataError, match="needs scores of classes"):
        divergence(np.arange(3), np.arange(3))
