"""Paired changes: published intervals, exact tests, coverage, and what cannot be paired."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import MetricDefinition
from crossrt.reports.statistics.paired import (
    answered_alike,
    paired_change,
    paired_numbers,
    paired_shares,
    tango_interval,
)

RIGHT = MetricDefinition(name="top1", label="top-1", unit="share", direction="bigger_is_better", paired_test="mcnemar")
ERROR = MetricDefinition(name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t")


def changed(fixed, broken, samples):
    """Right and wrong before and after."""
    before, after = np.ones(samples, bool), np.ones(samples, bool)
    before[:fixed] = False
    after[fixed : fixed + broken] = False
    return before, after


@pytest.mark.parametrize(
    ("fixed", "broken", "samples", "alpha", "lower", "upper"),
    [
        (
            1,
            7,
            21,
            0.025,
            -0.517,
            -0.026,
        ),  # Fagerland, Lydersen, Laake (2014): airway hyper-responsiveness, Tango's interval
        (48, 41, 549, 0.05, -0.0157, 0.0414),  # R package PropCIs, scoreci.mp at 90%
    ],
)
def test_the_interval_of_a_share_is_the_published_one(fixed, broken, samples, alpha, lower, upper):
    digits = 3 if samples == 21 else 4
    assert [round(bound, digits) for bound in tango_interval(fixed, broken, samples, alpha)] == [lower, upper]


def test_bounds_are_where_the_score_test_rejects():
    """Independent of the closed form of the nuisance parameter: it is found by maximizing the likelihood."""
    fixed, broken, samples = 12, 30, 400
    z = stats.norm.ppf(0.975)
    for bound in tango_interval(fixed, broken, samples, 0.025):
        shares = np.linspace(max(0.0, -bound) + 1e-7, (1 - abs(bound)) / 2, 400_001)
        rest = 1 - 2 * shares - bound
        likelihood = fixed * np.log(shares + bound) + broken * np.log(shares)
        likelihood += (samples - fixed - broken) * np.log(np.maximum(rest, 1e-300))
        most_likely = shares[likelihood.argmax()]
        error = np.sqrt((2 * most_likely + bound - bound**2) / samples)
        assert abs((fixed - broken) / samples - bound) / error == pytest.approx(z, rel=1e-3)


def test_no_change_at_all_is_still_uncertain():
    found = paired_shares(*changed(0, 0, 10_000), 0.025)
    assert (found.change, found.p_value, found.is_distinguished) == (0.0, 1.0, False)
    assert found.upper == pytest.approx(3.84 / 10_000, rel=0.01)
    assert found.lower == -found.upper


def test_the_p_value_is_that_of_the_exact_mcnemar_test():
    found = paired_shares(*changed(5, 20, 300), 0.01)
    assert (found.broken, found.fixed, found.change) == (20, 5, pytest.approx(-15 / 300))
    assert found.p_value == pytest.approx(stats.binomtest(5, 25).pvalue)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 2_000), st.sampled_from([0.005, 0.025, 0.05]))
def test_the_interval_holds_the_change_and_mirrors(fixed, broken, same, alpha):
    samples = fixed + broken + same
    if samples == 0:
        return
    lower, upper = tango_interval(fixed, broken, samples, alpha)
    assert -1 <= lower <= (fixed - broken) / samples + 1e-12
    assert (fixed - broken) / samples - 1e-12 <= upper <= 1
    assert tango_interval(broken, fixed, samples, alpha) == pytest.approx((-upper, -lower))


def test_the_interval_covers_the_truth_as_often_as_promised():
    random = np.random.default_rng(0)
    missed = 0
    for _ in range(1_000):
        _, broken, fixed = random.multinomial(300, [0.96, 0.03, 0.01])
        lower, upper = tango_interval(int(fixed), int(broken), 300, 0.025)
        missed += not lower <= -0.02 <= upper
    assert missed <= 70


def test_numbers_are_compared_by_the_paired_t_test():
    random = np.random.default_rng(1)
    before, after = random.random(50), random.random(50)
    found, expected = paired_numbers(before, after, 0.025), stats.ttest_rel(after, before)
    interval = expected.confidence_interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.fixed is None


@pytest.mark.parametrize(("shift", "p_value"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_change_without_spread_is_certain(shift, p_value):
    found = paired_numbers(np.zeros(5), np.full(5, shift), 0.025)
    assert (found.change, found.lower, found.upper, found.p_value) == (shift, shift, shift, p_value)


def evaluation(values, name="top1", **fields):
    array = np.asarray(values)
    return Evaluation(task="t", samples=len(array), values={name: 0.5}, per_sample={name: Packed.of(array)}, **fields)


def test_the_definition_names_the_test():
    shares = paired_change(evaluation([True, False]), evaluation([True, True]), RIGHT, 0.025)
    assert (shares.fixed, shares.broken) == (1, 0)
    numbers = evaluation(np.float32([1, 2]), "mae"), evaluation(np.float32([2, 4]), "mae")
    assert paired_change(*numbers, ERROR, 0.025).change == pytest.approx(1.5)


@pytest.mark.parametrize(
    "other", [evaluation([True]), Evaluation(task="t", samples=2, values={})], ids=["other length", "no samples"]
)
def test_what_does_not_pair_is_not_compared(other):
    assert paired_change(evaluation([True, False]), other, RIGHT, 0.025) is None


def test_a_single_number_has_no_interval():
    one = evaluation(np.float32([1]), "mae")
    assert paired_change(one, one, ERROR, 0.025) is None


@pytest.mark.parametrize("hashes", [("a", "a"), ("a", "b"), ("", "")], ids=["identical", "other outputs", "unknown"])
def test_no_interval_is_certain_whatever_the_outputs(hashes):
    """Of a model that answers classes, outputs are bit-identical wherever no sample changed."""
    one, other = (evaluation(np.ones(300, bool), answers_sha256=each) for each in hashes)
    found = paired_change(one, other, RIGHT, 0.025)
    assert found.is_identical == (hashes == ("a", "a"))
    assert -found.lower == found.upper == pytest.approx(3.84 / 300, rel=0.02)
    assert found.upper > 3 / 300, "the rule of three"


def test_answers_are_compared_one_by_one():
    one, other = (
        evaluation([True] * 3, predictions=Packed.of(np.array(classes, np.int16))) for classes in ([1, 2, 3], [1, 5, 3])
    )
    assert answered_alike(one, other).tolist() == [True, False, True]
    assert answered_alike(one, evaluation([True] * 3)) is None
