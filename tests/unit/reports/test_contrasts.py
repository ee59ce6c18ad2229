from __future__ import annotations

import math

import numpy as np
import pytest

from crossrt.reports.schema.records import Round
from crossrt.reports.statistics.contrasts import (
    block_logs,
    block_medians,
    by_round,
    calls_of,
    contrasts,
    quiet_level,
    round_contrasts,
    shared_calls,
)


def make_round(index, blocks):
    """A round whose blocks have these medians, in nanoseconds."""
    calls = tuple(tuple(int(median) + step for step in (-2, -1, 1, 2)) for median in blocks)
    return Round(index=index, position=0, load_ns=1, first_inference_ns=1, blocks_ns=calls)


def test_each_block_counts_by_its_median_and_is_averaged_with_its_mirror_image():
    found = block_logs(make_round(0, [1000, 2000, 4000, 4000]))
    assert found == pytest.approx([math.log(math.sqrt(2) * 1000), math.log(4000)])


def test_an_odd_block_at_the_end_has_no_mirror_image_and_is_left_out():
    assert len(block_logs(make_round(0, [1000, 2000, 4000]))) == 1


def test_blocks_of_different_lengths_have_medians_of_their_own():
    each = Round(index=0, position=0, load_ns=1, first_inference_ns=1, blocks_ns=((1000,), (2000, 4000, 3000)))
    assert block_medians(each) == pytest.approx([math.log(1000), math.log(3000)])
    assert block_medians(each, 1) == pytest.approx([math.log(1000), math.log(2000)])
    assert shared_calls([each]) == 1
    assert calls_of(each) == [1000, 2000, 4000, 3000]


def test_a_change_of_the_machines_speed_between_blocks_does_not_reach_the_contrast():
    speed = np.array([1, 1, 1, 1, 1.5, 1.5, 1.5, 1.5, 1, 1, 1, 1, 1, 1])
    slower = make_round(0, (1_000_000 * 1.03 * speed).astype(int))
    jumped = speed.copy()
    jumped[8:10] = 1.5  # the machine changed just between the two processes
    faster = make_round(0, (1_000_000 * jumped).astype(int))
    (found,) = contrasts([by_round([slower])], [by_round([faster])])
    assert found.value == pytest.approx(math.log(1.03), abs=1e-5)


def test_a_noisy_round_has_a_larger_error():
    calm = contrasts([by_round([make_round(0, [1000, 1001] * 6)])], [by_round([make_round(0, [1000] * 12)])])
    random = np.random.default_rng(0).integers(1000, 2000, 12)
    wild = contrasts([by_round([make_round(0, random)])], [by_round([make_round(0, [1000] * 12)])])
    assert wild[0].error > 50 * calm[0].error


def test_only_shared_rounds_are_compared():
    one = by_round([make_round(index, [1000] * 4) for index in (0, 1, 2)])
    other = by_round([make_round(index, [1000] * 4) for index in (1, 2, 5)])
    assert len(contrasts([one], [other])) == 2


def test_quiet_level_is_what_a_call_takes_between_disturbances():
    assert quiet_level(make_round(0, [1500] * 8 + [1000] * 4)) == pytest.approx(math.log(1000))


def test_blocks_of_different_lengths_are_compared_by_their_first_calls():
    """The first calls of each block are slower, by as much in both."""

    def with_blocks(calls):
        block = tuple(int(1_000_000 * (1 + 0.1 / (1 + place))) for place in range(calls))
        return Round(index=0, position=0, load_ns=1, first_inference_ns=1, blocks_ns=(block,) * 4)

    long, short = with_blocks(32), with_blocks(8)
    biased = contrasts([by_round([short])], [by_round([long])])[0].value
    fair = contrasts([by_round([short])], [by_round([long], 8)])[0].value
    assert biased > 0.01
    assert fair == 0.0
    assert round_contrasts([[short]], [[long]])[0].value == 0.0
