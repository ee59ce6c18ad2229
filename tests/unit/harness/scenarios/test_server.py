"""Arrivals, the open loop and the search of a rate, on a simulated server: no time is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossrt.harness.measure.scenarios.asked import AskedServer
from crossrt.harness.measure.scenarios.search import RateSearch
from crossrt.harness.measure.scenarios.server import duration_words, shortest_ns, told
from crossrt.harness.process.case_worker import ServedQueries
from crossrt.harness.process.loops import poisson_arrivals, serve_queries
from crossrt.reports.statistics.queries import looks

SERVICE_NS = 1_000_000


class Simulated:
    """A server whose clock only moves when it works or waits: each call takes the same time, so it is M/D/1."""

    def __init__(self, service_ns: int = SERVICE_NS) -> None:
        self.now, self._service_ns = 0, service_ns

    def run(self, _: object) -> None:
        self.now += self._service_ns

    def clock(self) -> int:
        self.now += 10_000  # whoever looks at the clock lets time pass
        return self.now


def share_within(load: float, bound: float) -> float:
    """P(sojourn <= bound services) of M/D/1 at a load: Erlang's formula for the waiting time (Erlang 1909)."""
    wait = bound - 1
    if wait < 0:
        return 0.0
    terms = ((load * (k - wait)) ** k / math.factorial(k) * math.exp(-load * (k - wait)) for k in range(int(wait) + 1))
    return (1 - load) * math.fsum(terms)


def capacity(percentile: float, bound: float) -> float:
    """The load at which the percentile of M/D/1 is the bound, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if share_within(middle, bound) >= percentile / 100 else (low, middle)
    return low


def served(rate: float, bound_ns: int, percentile: float, seed: int):
    judged = [(each.queries, each.most_over, each.least_over) for each in looks(percentile, 0.99)]
    server = Simulated()
    due = poisson_arrivals(rate, judged[-1][0], seed)
    return serve_queries(server.run, [None], due, bound_ns, judged, 10**18, server.clock)


@pytest.mark.parametrize(("nanoseconds", "said"), [(1, "1 ns"), (999, "999 ns"), (1000, "1 µs"), (2e7, "20,000 µs")])
def test_no_bound_is_said_to_be_nothing(nanoseconds, said):
    assert duration_words(nanoseconds) == said


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    monkeypatch.setattr("crossrt.harness.process.loops._LONG_GAP_NS", 10**18)


def test_gaps_of_arrivals_are_exponential_and_repeat_with_the_seed():
    due = poisson_arrivals(1000, 100_000, 7)
    gaps = np.diff(due)
    assert gaps.mean() == pytest.approx(1e6, rel=0.02)
    assert gaps.std() == pytest.approx(1e6, rel=0.03)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02
    counts = np.bincount(due // 10**8)[:-1]  # of a tenth of a second: as many on average as they vary
    assert counts.var() / counts.mean() == pytest.approx(1, abs=0.25)
    assert (poisson_arrivals(1000, 100, 7) == due[:100]).all()
    assert (poisson_arrivals(1000, 100, 8) != due[:100]).any()


def test_a_query_that_waits_pays_for_the_one_before_it():
    server = Simulated()
    due = np.array([0, 0, 0], np.int64)
    found = serve_queries(server.run, [None], due, 10**9, [(3, 0, 4)], 10**12, server.clock)
    assert found.latency_ns == pytest.approx([1e6, 2e6, 3e6], rel=0.05)  # a closed loop would say 1 ms three times


def test_a_trial_stops_once_no_later_query_could_save_it():
    found = served(rate=3 * 1e9 / SERVICE_NS, bound_ns=5 * SERVICE_NS, percentile=90, seed=0)
    assert found.is_held is False
    assert len(found.latency_ns) < 200


def test_a_trial_that_runs_out_of_time_is_undecided():
    server = Simulated()
    due = poisson_arrivals(1e9 / SERVICE_NS / 2, 1000, 0)
    found = serve_queries(server.run, [None], due, 10 * SERVICE_NS, [(1000, 10, 11)], 50 * SERVICE_NS, server.clock)
    assert found.is_held is None
    assert found.elapsed_ns >= 50 * SERVICE_NS


def test_the_simulated_server_is_an_m_d_1_queue():
    due = poisson_arrivals(0.7e9 / SERVICE_NS, 40_000, 3)
    server = Simulated()
    found = serve_queries(server.run, [None], due, 3 * SERVICE_NS, [(40_000, 40_000, 40_001)], 10**18, server.clock)
    assert 1 - found.over / 40_000 == pytest.approx(share_within(0.7, 3), abs=0.02)


@pytest.mark.parametrize(("percentile", "bound"), [(90, 3.0), (95, 5.0)])
def test_the_search_finds_the_capacity_of_a_known_queue(percentile, bound):
    true = capacity(percentile, bound) * 1e9 / SERVICE_NS
    found = []
    for seed in range(3):
        search, trial = RateSearch(guess=0.7e9 / SERVICE_NS), 0
        while (rate := search.next_rate()) is not None:
            outcome = served(rate, int(bound * SERVICE_NS), percentile, seed * 100 + trial)
            search.tell(rate, is_held=outcome.is_held is True)
            trial += 1
        found.append(search.held)
    assert np.mean(found) == pytest.approx(true, rel=0.04)


def test_a_trial_lasts_long_enough_for_the_queue_to_fill():
    assert shortest_ns(AskedServer(latency=1_000_000)) == 100_000_000
    assert shortest_ns(AskedServer(latency=1_000_000_000)) == 20_000_000_000


def test_a_rate_at_which_the_model_cannot_keep_up_is_not_held():
    one = ServedQueries(queries=1000, over=0, tail_ns=1, busy_ns=10**9, elapsed_ns=10**9, is_held=True, away_ns=0)
    assert told(990, one).verdict == "held"
    assert told(1010, one).verdict == "not held"


def test_the_search_brackets_from_a_guess_that_is_far_off():
    for guess in (1.0, 1e6):
        search = RateSearch(guess=guess)
        while (rate := search.next_rate()) is not None:
            search.tell(rate, is_held=rate <= 1234)
        assert 1234 / 1.021 < search.held <= 1234


def test_the_search_gives_up_where_no_rate_is_held():
    search, trials = RateSearch(guess=1000), 0
    while (rate := search.next_rate()) is not None:
        search.tell(rate, is_held=False)
        trials += 1
    assert search.held is None
    assert trials < 15
