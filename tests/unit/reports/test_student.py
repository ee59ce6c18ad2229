"""The same numbers as scipy.stats, which takes longer to import; showing a report imports nothing of scipy."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from crossrt.reports.statistics.paired import exact_mcnemar
from crossrt.reports.statistics.student import t_quantile, t_tail


@pytest.mark.parametrize("degrees", [1, 2, 2.5, 3, 4, 9, 150, 199, 200, 201, math.inf])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.8, 0.975, 0.995, 0.9995])
def test_quantiles_and_tails_are_those_of_the_distribution(share, degrees):
    value = t_quantile(share, degrees)
    assert value == pytest.approx(stats.t.ppf(share, degrees), rel=1e-12, abs=1e-15)
    assert t_tail(value, degrees) == pytest.approx(1 - share, rel=1e-9)


@pytest.mark.parametrize(
    ("fixed", "broken"), [(0, 1), (1, 0), (3, 3), (0, 40), (12, 30), (3, 9000), (200, 260), (201, 260), (0, 20_000)]
)
def test_the_exact_mcnemar_test_is_that_of_a_fair_coin(fixed, broken):
    expected = stats.binomtest(min(fixed, broken), fixed + broken, 0.5).pvalue
    assert exact_mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-12)


def test_without_a_changed_answer_nothing_is_distinguished():
    assert exact_mcnemar(0, 0) == 1.0
