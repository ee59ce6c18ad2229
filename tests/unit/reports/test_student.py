"""The same numbers as scipy's, which take longer to import."""

from __future__ import annotations

import math

import pytest
from scipy import special

from crossrt.reports.statistics.student import normal_quantile, sign_test, t_quantile, t_tail

DEGREES = (1, 1.5, 2.7, 3, 9, 9.4, 30, 150, 399.9, 400, 1000, 50_000, 1e9, math.inf)
SHARES = (1e-9, 1e-6, 1e-4, 0.001, 0.005, 0.025, 0.05, 0.2, 0.4, 0.5, 0.6, 0.95, 0.975, 0.995, 0.9999)


@pytest.mark.parametrize("degrees", DEGREES)
def test_quantiles_are_those_of_the_distribution(degrees):
    for share in SHARES:
        expected = special.stdtrit(degrees, share) if math.isfinite(degrees) else special.ndtri(share)
        assert t_quantile(share, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-15), share


@pytest.mark.parametrize("degrees", DEGREES)
def test_tails_are_those_of_the_distribution(degrees):
    for value in (-30, -5, -2, -0.5, -1e-3, 0, 1e-8, 0.3, 1, 2, 3, 6, 12, math.inf):
        expected = special.stdtr(degrees, -value) if math.isfinite(degrees) else special.ndtr(-value)
        assert t_tail(value, degrees) == pytest.approx(expected, rel=1e-5 if degrees > 1e6 else 1e-7), value


def test_normal_quantiles_are_those_of_the_distribution():
    for share in (0, *SHARES, 1):
        assert normal_quantile(share) == pytest.approx(special.ndtri(share), rel=1e-12)


@pytest.mark.parametrize("trials", [1, 2, 5, 50, 333, 1000, 10_000, 1_000_000])
def test_sign_tests_are_exact(trials):
    for fewer in {0, 1, trials // 10, trials // 3, trials // 2 - 1, trials // 2} - {-1}:
        fewer = min(fewer, trials - fewer)
        assert sign_test(fewer, trials) == pytest.approx(min(1.0, 2 * special.bdtr(fewer, trials, 0.5)), rel=1e-7)


def test_nothing_that_changed_is_no_evidence():
    assert sign_test(0, 0) == 1.0
