from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossrt.reports.statistics.classification import judge_logits
from crossrt.reports.verdicts.comparison.answers import flips

LABELS = (np.arange(300) % 10).astype(np.uint8)


def accuracy(wrong):
    """Answers of which these digits are wrong."""
    logits = np.zeros((300, 10), dtype=np.float32)
    called = LABELS.copy()
    called[list(wrong)] = (called[list(wrong)] + 1) % 10
    logits[np.arange(300), called] = 1
    return judge_logits(logits, LABELS, None)


def test_flips_are_counted_over_the_same_digits():
    found = flips(accuracy(range(10)), accuracy(range(5, 30)), 0.01)
    assert (found.broken, found.fixed) == (20, 5)
    assert found.change == pytest.approx(-15 / 300)


def test_p_value_is_that_of_the_exact_mcnemar_test():
    found = flips(accuracy(range(10)), accuracy(range(5, 30)), 0.01)
    assert found.p_value == pytest.approx(min(1.0, 2 * stats.binom.cdf(5, 25, 0.5)))


def test_no_flips_are_no_change_for_certain():
    found = flips(accuracy([1, 2]), accuracy([1, 2]), 0.01)
    assert (found.lower, found.upper, found.p_value) == (0.0, 0.0, 1.0)


def test_interval_holds_the_change():
    found = flips(accuracy(range(40)), accuracy(range(30, 60)), 0.01)
    assert found.lower < found.change < found.upper


def test_interval_covers_the_truth_as_often_as_promised():
    """Each digit flips with known chances; the interval is conditional on the number of flips."""
    random = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        kinds = random.choice(3, 300, p=[0.9, 0.06, 0.04])
        broken, fixed = np.flatnonzero(kinds == 1), np.flatnonzero(kinds == 2)
        found = flips(accuracy(fixed), accuracy(broken), 0.025)
        truth = (0.04 - 0.06) / 0.10 * (len(broken) + len(fixed)) / 300
        missed += not found.lower <= truth <= found.upper
    assert missed <= 0.07 * 400


def test_other_numbers_of_digits_are_not_paired():
    shorter = judge_logits(np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8), None)
    assert flips(accuracy([]), shorter, 0.01) is None
