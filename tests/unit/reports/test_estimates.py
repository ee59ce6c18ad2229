"""Percentiles, geometric means over rounds, their intervals, and proportions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from crossrt.reports.statistics.estimates import CONFIDENCE, Estimate, over_rounds, percentile, proportion


@pytest.mark.parametrize(("percent", "fewest"), [(50, 1), (90, 64), (95, 130), (99, 662)])
def test_percentile_is_refused_below_the_count_that_supports_it(percent, fewest):
    assert percentile(range(fewest - 1), percent) is None
    assert percentile(range(fewest), percent) is not None


@pytest.mark.parametrize("percent", [50, 90, 95, 99])
def test_percentile_is_numpys_linear_percentile(percent):
    samples = np.random.default_rng(1).integers(10_000, 90_000, 701).tolist()
    assert percentile(samples, percent) == pytest.approx(np.percentile(samples, percent))


def test_percentile_interpolates_between_neighbours():
    assert percentile([10, 20], 50) == 15


def test_percentile_does_not_depend_on_the_order_of_calls():
    samples = np.random.default_rng(2).integers(1, 1000, 100).tolist()
    assert percentile(samples, 90) == percentile(sorted(samples), 90)


def test_percentile_keeps_large_nanoseconds_exact():
    assert percentile([2**53 - 1], 50) == 2**53 - 1


def test_over_rounds_gives_the_geometric_mean():
    assert over_rounds([10.0, 1000.0]).value == pytest.approx(100.0)


def test_over_rounds_gives_students_t_interval_on_logarithms():
    estimate = over_rounds([1.0, math.e, math.e**2])
    half = 4.302653 / math.sqrt(3)  # 97.5% point of t with 2 degrees of freedom; the logarithms 0, 1, 2 have SD 1
    assert estimate.value == pytest.approx(math.e)
    assert estimate.lower == pytest.approx(math.exp(1 - half), rel=1e-6)
    assert estimate.upper == pytest.approx(math.exp(1 + half), rel=1e-6)


def test_over_rounds_without_spread_has_an_interval_of_no_width():
    estimate = over_rounds([7.0, 7.0, 7.0])
    assert estimate.lower == pytest.approx(7.0)
    assert estimate.upper == pytest.approx(7.0)


def test_over_rounds_scales_with_its_values():
    nanoseconds, microseconds = over_rounds([1200.0, 1300.0, 1250.0]), over_rounds([1.2, 1.3, 1.25])
    assert nanoseconds.lower == pytest.approx(1000 * microseconds.lower)
    assert nanoseconds.upper == pytest.approx(1000 * microseconds.upper)


def test_one_round_gives_no_interval():
    estimate = over_rounds([42.0])
    assert estimate.value == pytest.approx(42.0)
    assert (estimate.lower, estimate.upper) == (None, None)


def test_over_rounds_stays_finite_where_the_clock_saw_nothing():
    assert math.isfinite(over_rounds([0.0, 5.0]).value)


def test_intervals_of_five_rounds_cover_the_true_value_95_percent_of_the_time():
    draws = np.random.default_rng(3).lognormal(mean=math.log(50_000), sigma=0.2, size=(2000, 5))
    estimates = [over_rounds(rounds) for rounds in draws]
    assert 0.92 <= np.mean([each.lower <= 50_000 <= each.upper for each in estimates]) <= 0.98


def test_reciprocal_swaps_the_bounds():
    assert Estimate(value=4.0, lower=2.0, upper=8.0).reciprocal(16.0) == Estimate(value=4.0, lower=2.0, upper=8.0)
    assert Estimate(value=5.0, lower=4.0, upper=10.0).reciprocal(1.0) == Estimate(value=0.2, lower=0.1, upper=0.25)


def test_reciprocal_of_a_value_without_interval_has_none():
    assert Estimate(value=5.0).reciprocal(1.0) == Estimate(value=0.2)


@pytest.mark.parametrize(
    ("successes", "samples", "lower", "upper"),
    [  # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_proportion_has_wilsons_interval(successes, samples, lower, upper):
    estimate = proportion(successes, samples)
    assert estimate.value == successes / samples
    assert (estimate.lower, estimate.upper) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(("successes", "samples"), [(0, 1), (1, 1), (3, 7), (5000, 10_000), (9_999, 10_000)])
def test_proportion_is_that_of_scipy_which_takes_longer_to_import(successes, samples):
    expected = stats.binomtest(successes, samples).proportion_ci(CONFIDENCE, method="wilson")
    found = proportion(successes, samples)
    assert (found.lower, found.upper) == pytest.approx((expected.low, expected.high), rel=1e-12, abs=1e-15)


def test_proportion_of_all_has_an_upper_bound_of_one():
    estimate = proportion(10_000, 10_000)
    assert estimate.upper == pytest.approx(1.0)
    assert 0.9995 < estimate.lower < 1.0
