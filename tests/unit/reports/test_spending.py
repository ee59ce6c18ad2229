from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from crossrt.reports.statistics.spending import Spending

ALPHA = 0.005


def test_a_single_look_at_the_end_has_the_whole_chance_of_error():
    assert Spending(ALPHA).next_level(1.0, 10) == pytest.approx(ALPHA, rel=1e-3)


def test_early_looks_have_little_of_it():
    spending = Spending(ALPHA)
    levels = [spending.next_level(share, rounds) for share, rounds in ((0.4, 5), (0.7, 8), (1.0, 12))]
    assert levels == sorted(levels)
    assert levels[0] < ALPHA / 10


@pytest.mark.simulation
def test_all_looks_together_are_wrong_as_often_as_promised():
    plan = ((0.3, 5), (0.5, 8), (0.75, 12), (1.0, 17))
    spending = Spending(ALPHA)
    levels = [spending.next_level(share, rounds) for share, rounds in plan]
    sums = np.random.default_rng(0).standard_normal((400_000, 17)).cumsum(axis=1)
    crossed = np.zeros(len(sums), dtype=bool)
    for level, (_, rounds) in zip(levels, plan, strict=True):
        crossed |= sums[:, rounds - 1] / np.sqrt(rounds) > stats.norm.isf(level)
    assert crossed.mean() == pytest.approx(ALPHA, abs=4 * np.sqrt(ALPHA / len(sums)))


def test_a_look_beyond_the_budget_still_has_a_level():
    spending = Spending(ALPHA)
    spending.next_level(1.0, 10)
    assert 0 < spending.next_level(1.3, 12) < ALPHA / 10
