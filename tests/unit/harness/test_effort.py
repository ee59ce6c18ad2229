"""How much is measured in a given time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossrt.harness.measure.effort import BLOCKS, START_UP_S, Cost, calls_for, fitted, round_s, with_fewer_blocks
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.settings import DEFAULT_EFFORT, DUEL_EFFORT, QUICK_EFFORT


def costs(call_ns, count=3, load_ns=20_000_000, effort=DEFAULT_EFFORT):
    calls = calls_for(call_ns, effort.block_target_ns)
    each = Participant(key="case", subject=None, threads=1, batch_size=1, calls=calls)
    return [(each, Cost(call_ns=call_ns, load_ns=load_ns))] * count


@pytest.mark.parametrize("call_ns", [20_000, 1_000_000, 100_000_000, 2_000_000_000])
@pytest.mark.parametrize("budget_s", [120, 600])
def test_a_budget_is_respected_by_fast_and_by_slow_models(call_ns, budget_s):
    found = fitted(DEFAULT_EFFORT, costs(call_ns), budget_s)
    assert found.rounds * round_s(found, costs(call_ns)) <= budget_s
    assert found.rounds >= 2


def test_a_fast_model_gets_all_that_was_asked_for():
    assert fitted(DEFAULT_EFFORT, costs(20_000), 60) == DEFAULT_EFFORT


def test_a_slow_model_loses_blocks_before_rounds():
    found = fitted(DEFAULT_EFFORT, costs(200_000_000), 60)
    assert found.blocks < DEFAULT_EFFORT.blocks
    assert found.rounds >= 5


def test_two_rounds_of_two_blocks_are_measured_whatever_the_time():
    found = fitted(DEFAULT_EFFORT, costs(10_000_000_000), 1)
    assert (found.rounds, found.blocks) == (2, 2)


def test_fewer_rounds_than_two_are_not_made_more():
    single = dataclasses.replace(DEFAULT_EFFORT, rounds=1)
    assert fitted(single, costs(20_000), 600).rounds == 1
    assert fitted(single, costs(10_000_000_000), 1).rounds == 1


@given(
    call_ns=st.integers(1, 10**11),
    load_ns=st.integers(0, 10**11),
    count=st.integers(1, 60),
    budget_s=st.floats(-10, 3600),
    effort=st.sampled_from([DEFAULT_EFFORT, QUICK_EFFORT]),
)
def test_never_more_than_asked_never_fewer_than_two_rounds_and_blocks_stay_even(
    call_ns, load_ns, count, budget_s, effort
):
    asked = costs(call_ns, count, load_ns, effort)
    found = fitted(effort, asked, budget_s)
    assert 2 <= found.rounds <= effort.rounds
    assert found.blocks in BLOCKS
    assert found.blocks % 2 == 0
    if found.rounds > 2:
        assert found.rounds * round_s(found, asked) <= budget_s


@pytest.mark.parametrize(
    ("call_ns", "load_ns", "budget_s", "blocks"),
    [
        (7_000, 2_000_000, 1, 24),
        (1_000_000, 50_000_000, 8, 24),
        (2_000_000, 20_000_000, 1, 24),
        (10_000_000, 300_000_000, 8, 24),
        (20_000_000, 5_000_000, 8, 4),
        (250_000_000, 50_000_000, 60, 4),
        (250_000_000, 50_000_000, 5, 2),
        (10_000_000_000, 50_000_000, 5, 2),
    ],
)
def test_rounds_of_an_a_b_comparison_lose_blocks_only_where_these_take_the_time(call_ns, load_ns, budget_s, blocks):
    asked = costs(call_ns, count=4, load_ns=load_ns, effort=DUEL_EFFORT)
    found = with_fewer_blocks(DUEL_EFFORT, asked, 5, budget_s)
    assert found.blocks == blocks
    assert found.sessions == min(DUEL_EFFORT.sessions, blocks // 2)
    assert found.rounds == DUEL_EFFORT.rounds


@given(st.integers(1, 10**12), st.integers(0, 10**10), st.floats(0.01, 3600), st.integers(1, 40))
def test_no_more_blocks_than_asked_and_no_more_sessions_than_they_go_round(call_ns, load_ns, budget_s, blocks):
    effort = dataclasses.replace(DUEL_EFFORT, blocks=blocks)
    found = with_fewer_blocks(effort, costs(call_ns, 4, load_ns, effort), 5, budget_s)
    assert found.blocks == blocks or (found.blocks < blocks and found.blocks in BLOCKS)
    assert 1 <= found.sessions <= max(1, found.blocks // 2)


@given(st.integers(1, 10**12), st.integers(1, 10**9))
def test_calls_of_a_block_are_a_power_of_two_and_last_about_as_long_as_they_should(call_ns, target_ns):
    calls = calls_for(call_ns, target_ns)
    assert calls & (calls - 1) == 0
    assert 1 <= calls <= 256
    assert calls * call_ns <= max(4 * target_ns, call_ns)


@pytest.mark.parametrize(("call_ns", "calls"), [(20_000, 128), (1_000_000, 8), (10_000_000, 2), (2_000_000_000, 1)])
def test_calls_of_a_block_of_5_ms(call_ns, calls):
    assert calls_for(call_ns, 5_000_000) == calls


def test_a_slow_import_counts_as_it_was_seen():
    ((participant, _),) = costs(1_000, count=1)
    quick, slow = (Cost(call_ns=1_000, start_ns=int(seconds * 1e9)) for seconds in (0.5, 5))
    plain = round_s(DEFAULT_EFFORT, [(participant, Cost(call_ns=1_000))])
    assert round_s(DEFAULT_EFFORT, [(participant, quick)]) == plain
    assert round_s(DEFAULT_EFFORT, [(participant, slow)]) == pytest.approx(plain - START_UP_S + 5)


def test_a_round_takes_at_least_the_start_of_its_processes():
    assert round_s(DEFAULT_EFFORT, costs(1, count=7)) > 7 * START_UP_S
