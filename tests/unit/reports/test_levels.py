"""Levels of processes from blocks that were timed in turn."""

import math

import numpy as np
import pytest

from crossrt.reports.schema.records import Round
from crossrt.reports.statistics.levels import level_contrasts, levels_of, quiet_blocks


def round_of(blocks, index=0):
    return Round(
        index=index, position=0, load_ns=1, first_inference_ns=1, blocks_ns=tuple(tuple(block) for block in blocks)
    )


def steady(call_ns, index=0, turns=12):
    return round_of([[call_ns] * 4] * turns, index)


def test_a_block_counts_by_the_faster_half_of_its_calls():
    found = quiet_blocks(round_of([[9000, 1000, 1000, 5000], [2000, 2000, 7000, 8000]]))
    assert found == pytest.approx([math.log(1000), math.log(2000)])


def test_a_block_of_one_call_is_that_call():
    assert quiet_blocks(round_of([[3000], [4000]])) == pytest.approx([math.log(3000), math.log(4000)])


def test_a_drift_that_all_processes_share_is_no_part_of_their_levels():
    turns = np.arange(12) / 10
    found, errors = levels_of(np.stack([turns, 0.02 + turns]))
    assert found[1] - found[0] == pytest.approx(0.02)
    assert errors == pytest.approx([0, 0], abs=1e-9)


def test_disturbances_of_single_blocks_do_not_move_a_level():
    disturbed = np.zeros((4, 12))
    disturbed[0, ::3] = 0.5
    disturbed[2, 1::4] = 0.3
    assert levels_of(disturbed)[0] == pytest.approx([0, 0, 0, 0])


def test_exchanging_sides_changes_the_sign_alone():
    random = np.random.default_rng(3)
    rounds = [[round_of((1000 * random.lognormal(0, 0.1, (12, 4))).astype(int))] for _ in range(4)]
    (one,), (other,) = level_contrasts(rounds[:2], rounds[2:]), level_contrasts(rounds[2:], rounds[:2])
    assert one.value == pytest.approx(-other.value)
    assert one.error == pytest.approx(other.error)


def test_only_shared_rounds_count():
    found = level_contrasts([[steady(2000, index) for index in (0, 1, 2)]], [[steady(1000, index) for index in (1, 7)]])
    assert [each.value for each in found] == pytest.approx([math.log(2)])


def test_only_as_many_calls_of_a_block_count_as_all_blocks_have():
    long = [round_of([[1000] * 2 + [10] * 6] * 12)]
    short = [round_of([[2000] * 2] * 12)]
    assert level_contrasts([short], [long])[0].value == pytest.approx(math.log(2))


@pytest.mark.parametrize("noise", ["normal", "exponential"])
def test_the_error_is_at_least_half_of_what_a_level_varies_by(noise):
    random = np.random.default_rng(5)
    draw = {"normal": random.normal, "exponential": lambda _, *more: random.exponential(*more)}[noise]
    found = [levels_of(draw(0, 0.01, (4, 24))) for _ in range(300)]
    told = math.sqrt(np.mean([(errors**2).sum() for _, errors in found])) / 2
    varies = np.std([(levels[0] + levels[1] - levels[2] - levels[3]) / 2 for levels, _ in found])
    assert varies / 2 < told < varies


def test_a_round_that_was_disturbed_all_the_time_is_known_less_well():
    random = np.random.default_rng(6)
    calm = levels_of(random.normal(0, 0.005, (4, 24)))[1]
    busy = levels_of(random.normal(0, 0.005, (4, 24)) + random.exponential(0.1, (4, 24)))[1]
    assert np.all(busy > 3 * calm)


def test_a_round_without_noise_has_the_smallest_error_that_is_told():
    (found,) = level_contrasts([[steady(2000)]], [[steady(1000)]])
    assert (found.value, found.error) == (pytest.approx(math.log(2)), 1e-5)
