from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scipy import optimize, stats

from crossrt.reports.statistics.contrasts import Contrast
from crossrt.reports.statistics.estimates import over_rounds
from crossrt.reports.statistics.intervals import pooled_interval, trimmed_error, trimmed_mean, welch_interval

STUDIES = ((0.10, 0.05), (0.30, 0.08), (0.35, 0.10), (0.65, 0.12), (0.45, 0.20))
"""Effects and their standard errors, of which none is taken to be smaller than the median."""


def contrasts_of(pairs):
    return [Contrast(value=value, error=error) for value, error in pairs]


def test_equal_errors_that_explain_nothing_give_students_interval():
    values = [0.01, 0.03, -0.02, 0.04, 0.00]
    found = pooled_interval(contrasts_of([(value, 1e-5) for value in values]), 0.005)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.99)
    assert (found.lower, found.upper) == pytest.approx((wanted.low, wanted.high), rel=1e-4)


@st.composite
def studies(draw):
    count = draw(st.integers(2, 12))
    errors = draw(st.lists(st.floats(1e-6, 1), min_size=count, max_size=count))
    return list(zip(draw(st.lists(st.floats(-1, 1), min_size=count, max_size=count)), errors, strict=True))


@given(pairs=studies())
@example(pairs=STUDIES)
@example(pairs=[(0.0, 1e-6), (0.0, 1.0), (1.0, 1e-6)])
def test_variance_between_rounds_makes_the_weighted_scatter_what_chance_would_give(pairs):
    """The defining equation of Paule and Mandel, solved here by a root finder of scipy."""
    values, errors = (np.array(column) for column in zip(*pairs, strict=True))
    errors = np.maximum(errors, np.median(errors))

    def weighted(between):
        weights = 1 / (errors**2 + between)
        mean = (weights * values).sum() / weights.sum()
        return (weights * (values - mean) ** 2).sum(), mean, weights.sum()

    def excess(between):
        return weighted(between)[0] - (len(values) - 1)

    assume(excess(0.0) > 0)
    _, mean, weight = weighted(optimize.brentq(excess, 0.0, float(values.var(ddof=1)) * len(values), xtol=1e-15))
    found = pooled_interval(contrasts_of(pairs), 0.025)
    assert found.mean == pytest.approx(mean, rel=1e-5, abs=1e-9)
    assert found.standard_error == pytest.approx(1 / math.sqrt(weight), rel=1e-5)


def test_rounds_alike_beyond_their_errors_are_believed_at_most_twice_as_much():
    found = pooled_interval(contrasts_of([(0.1, 0.02)] * 4), 0.025)
    assert found.standard_error == pytest.approx(0.02 / 2 / 2)


def test_a_restless_round_hardly_counts():
    calm = [(0.01, 0.002), (0.012, 0.002), (0.008, 0.002), (0.011, 0.002)]
    assert pooled_interval(contrasts_of([*calm, (0.5, 0.3)]), 0.005).mean == pytest.approx(0.0103, abs=0.001)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_rounds_have_no_interval(count):
    found = pooled_interval(contrasts_of([(0.1, 0.01)] * count), 0.005)
    assert math.isinf(found.half)
    assert math.isinf(welch_interval([0.1] * max(count, 1), [0.2, 0.1], 0.01, 0.0).half)


def test_two_runs_are_compared_like_scipys_welch_test_where_nothing_is_trimmed():
    current, baseline = [0.10, 0.13, 0.08, 0.12], [0.02, 0.01, 0.05]
    found = welch_interval(current, baseline, 0.01, 0.0)
    wanted = stats.ttest_ind(current, baseline, equal_var=False).confidence_interval(0.98)
    assert (found.lower, found.upper) == pytest.approx((wanted.low, wanted.high), rel=1e-6)


def test_trimming_alike_on_both_sides_is_scipys_yuen_test(monkeypatch):
    for name in ("TRIM_FAST", "TRIM_SLOW"):
        monkeypatch.setattr(f"crossrt.reports.statistics.intervals.{name}", 0.2)
    random = np.random.default_rng(1)
    current, baseline = random.normal(0.1, 0.05, 11), random.normal(0, 0.02, 10)
    found = welch_interval(current, baseline, 0.01, 0.0)
    wanted = stats.ttest_ind(current, baseline, equal_var=False, trim=0.2).confidence_interval(0.98)
    assert (found.lower, found.upper) == pytest.approx((wanted.low, wanted.high), rel=1e-6)


def test_runs_with_slow_rounds_are_compared_by_the_others():
    """In bad weather up to four rounds of ten are slower by half."""
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(300):
        runs = random.normal(0, 0.005, (2, 10))
        for run in runs:
            run[: random.integers(0, 5)] += 0.4
        found = welch_interval(*runs, 0.025, 0.0)
        missed += not found.lower <= 0 <= found.upper
        assert found.half < 0.1
    assert missed <= 0.08 * 300


def test_spread_between_runs_widens_the_interval():
    random = np.random.default_rng(1)
    current, baseline = random.normal(0, 0.01, 10), random.normal(0, 0.01, 10)
    narrow, wide = (welch_interval(current, baseline, 0.01, between) for between in (0.0, 0.05))
    assert wide.standard_error**2 == pytest.approx(narrow.standard_error**2 + 2 * 0.05**2)


def test_trimmed_mean_drops_rounds_in_bad_weather():
    assert trimmed_mean([1.0] * 6 + [5.0, 6.0, 7.0, 9.0]) == 1.0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_too_few_to_trim_have_the_ordinary_error(count):
    values = [0.1, 0.4, 0.2, 0.9][:count]
    assert trimmed_error(values) == pytest.approx(stats.sem(values))


def test_resolution_is_found_in_95_of_100_runs():
    """The true ratio is the resolution of a typical run: its interval leaves out 0 nearly always."""
    random = np.random.default_rng(0)
    typical = pooled_interval(
        contrasts_of([(value, 1e-5) for value in stats.norm.ppf(np.linspace(0.05, 0.95, 12))]), 0.005
    )
    spread = typical.standard_error * math.sqrt(12)
    found = 0
    for _ in range(400):
        values = random.normal(typical.resolution(), spread, 12)
        found += pooled_interval(contrasts_of([(value, 1e-5) for value in values]), 0.005).lower > 0
    assert found / 400 >= 0.90


def test_bounds_of_the_widest_interval_are_numbers():
    wide = pooled_interval([Contrast(value=value, error=1e-6) for value in (-30.0, 30.0)], 0.005)
    assert 0 < math.exp(wide.lower) < math.exp(wide.upper) < math.inf
    assert 0 < over_rounds([1e-9, 1e15]).lower < over_rounds([1e-9, 1e15]).upper < math.inf
