"""Where a series changed: what is found, and how often something is found that is not there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossrt.history.judging.changes import FALSE_ALARM, exact_changes, find_changes, noise_of

NOISE = 0.015


def series(random, runs, **steps):
    """Noise around levels; `at10=0.05` is a step of 5% at the tenth value."""
    values = random.normal(0, NOISE, runs)
    for place, step in steps.items():
        values[int(place.removeprefix("at")) :] += math.log1p(step)
    return values


def test_a_step_is_found_with_its_size_and_place():
    values = [0.001 * (-1) ** index for index in range(20)]
    values[12:] = [value + 0.1 for value in values[12:]]
    (change,) = find_changes(values, FALSE_ALARM)
    assert change.index == 12
    assert change.size == pytest.approx(0.1, abs=0.001)
    assert change.lower < 0.1 < change.upper


def test_two_steps_are_found_in_order():
    values = series(np.random.default_rng(1), 45, at15=0.15, at30=-0.10)
    assert [change.index for change in find_changes(values, FALSE_ALARM)] == [15, 30]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0, 4.0], [5.0] * 30])
def test_few_or_equal_values_have_no_change(values):
    assert find_changes(values, FALSE_ALARM) == []


def test_a_single_outlier_is_no_level():
    values = series(np.random.default_rng(2), 20)
    values[7] += 0.5
    assert find_changes(values, FALSE_ALARM) == []


def test_less_than_a_tenth_of_a_percent_is_no_matter():
    assert find_changes([0.0] * 10 + [0.0005] * 10, FALSE_ALARM) == []


def test_exact_values_change_wherever_they_differ():
    changes = exact_changes([10.0, 10.0, 12.0, 12.0, 11.0])
    assert [(change.index, change.size, change.lower) for change in changes] == [(2, 2.0, None), (4, -1.0, None)]
    assert exact_changes([0.1 + 0.2, 0.3]) == []


def test_noise_is_measured_beside_steps():
    values = series(np.random.default_rng(3), 200, at100=1.0)
    assert noise_of(values) == pytest.approx(NOISE, rel=0.25)


@pytest.mark.simulation
@pytest.mark.parametrize("runs", [10, 20, 50, 200])
def test_noise_alone_is_rarely_called_a_change(runs):
    """Nominally 1% of series; 600 of them, of which more than 13 would be seen once in a hundred times."""
    random = np.random.default_rng(runs)
    assert sum(bool(find_changes(series(random, runs), FALSE_ALARM)) for _ in range(600)) <= 13


@pytest.mark.simulation
def test_five_percent_in_twenty_runs_is_found_at_the_right_place():
    random = np.random.default_rng(4)
    found = [find_changes(series(random, 20, at10=0.05), FALSE_ALARM) for _ in range(300)]
    places = [changes[0].index for changes in found if len(changes) == 1]
    assert len(places) > 290
    assert sum(place == 10 for place in places) > 240
    assert sum(abs(place - 10) <= 1 for place in places) > 280


@pytest.mark.simulation
def test_the_interval_of_a_step_holds_its_size():
    random = np.random.default_rng(5)
    found = [find_changes(series(random, 30, at15=0.08), FALSE_ALARM) for _ in range(300)]
    held = [change.lower <= math.log1p(0.08) <= change.upper for changes in found for change in changes]
    assert np.mean(held) > 0.9
