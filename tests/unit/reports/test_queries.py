from __future__ import annotations

import numpy as np
import pytest

from crossrt.reports.statistics.queries import (
    early_stopping_estimate,
    least_over,
    looks,
    minimum_queries,
    most_over,
)

pytestmark = pytest.mark.core


@pytest.mark.parametrize(("percentile", "queries"), [(90, 24_576), (95, 57_344), (97, 90_112), (99, 270_336)])
def test_minimum_queries_are_those_of_the_rules_of_mlperf(percentile, queries):
    assert minimum_queries(percentile) == queries


@pytest.mark.parametrize(("percentile", "fewest"), [(90, 64), (99, 662)])
def test_an_estimate_needs_as_many_queries_as_loadgen_says(percentile, fewest):
    assert early_stopping_estimate(range(fewest - 1), percentile) is None
    assert early_stopping_estimate(range(fewest), percentile) == fewest - 1


def test_the_estimate_discards_as_many_queries_as_loadgen():
    # a log of LoadGen: 201 queries, "would discard 9 highest latency queries"
    assert early_stopping_estimate(range(201), 90) == 201 - 9 - 1


def test_the_estimate_is_exceeded_by_the_percentile_as_rarely_as_it_promises():
    rng = np.random.default_rng(0)
    true = -np.log(0.1) * 1e6  # the 90th percentile of an exponential distribution
    runs = [early_stopping_estimate(rng.exponential(1e6, 300).astype(np.int64).tolist(), 90) for _ in range(1000)]
    assert np.mean([each < true for each in runs]) <= 0.02


def test_both_bounds_err_as_rarely_as_asked():
    rng = np.random.default_rng(1)
    over = rng.binomial(2000, 0.05, 20_000)  # exactly at the 95th percentile
    assert np.mean(over <= most_over(2000, 95, 0.01)) <= 0.012
    assert np.mean(over >= least_over(2000, 95, 0.01)) <= 0.012
    assert np.mean(over <= most_over(2000, 95, 0.01) + 1) > 0.008
    assert np.mean(over >= least_over(2000, 95, 0.01) - 1) > 0.008


def test_too_few_queries_show_nothing():
    assert most_over(10, 99, 0.01) is None
    assert least_over(2, 50, 0.01) == 3


def test_looks_end_with_the_plain_rule_after_the_minimum_of_queries():
    found = looks(99, 0.99)
    assert found[-1].queries == 270_336
    assert (found[-1].most_over, found[-1].least_over) == (2703, 2704)
    assert [each.queries for each in found] == sorted(each.queries for each in found)
    assert all(each.most_over < each.least_over for each in found)


def test_no_look_is_made_before_a_trial_has_lasted_long_enough():
    assert looks(99, 0.99, 10_000)[0].queries >= 10_000
    assert len(looks(99, 0.99, 10**9)) == 1


def test_a_rate_just_beyond_the_bound_is_rarely_called_held_early():
    rng, wrong = np.random.default_rng(2), 0
    early = looks(90, 0.99)[:-1]
    for _ in range(400):
        late = np.cumsum(rng.random(early[-1].queries) < 0.1)
        for each in early:
            if late[each.queries - 1] <= each.most_over:
                wrong += 1
                break
            if late[each.queries - 1] >= each.least_over:
                break
    assert wrong <= 12  # 1% of 400, and four standard deviations
