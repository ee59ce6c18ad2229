"""The same numbers as scipy.stats, which takes longer to import."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from crossrt.reports.statistics.student import t_quantile, t_tail


@pytest.mark.parametrize("degrees", [1, 2.5, 9, 200, math.inf])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.975, 0.9995])
def test_quantiles_and_tails_are_those_of_the_distribution(share, degrees):
    value = t_quantile(share, degrees)
    assert value == pytest.approx(stats.t.ppf(share, degrees), rel=1e-9, abs=1e-12)
    assert t_tail(value, degrees) == pytest.approx(1 - share, rel=1e-9)
