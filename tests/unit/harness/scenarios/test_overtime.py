"""Time that does not suffice: what is cut, and what is said where nothing more can be. No process, no clock."""

from __future__ import annotations

import pytest

from crossrt.harness.measure.overtime import say_long_rounds, say_overtime
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.scenarios import multi_stream, offline, server
from crossrt.harness.measure.scenarios.asked import AskedMultiStream, AskedOffline, AskedServer
from crossrt.harness.process.case_worker import ServedQueries
from crossrt.reports.schema.scenarios import Point, Server, ServerRound, Trial
from crossrt.reports.tables.scenarios import _unfinished

SECOND_NS = 1_000_000_000


def finished(steps):
    """What a generator returns, whatever its turns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class Clock:
    """Moves only when somebody works."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.mark.parametrize(
    ("rounds", "round_s", "left_s", "said"),
    [
        (
            5,
            30,
            12,
            "server: takes about 60 s, where there is time for 12 s; 2 rounds of 4 processes are made all the same, as",
        ),
        (
            1,
            30,
            -3,
            "server: took 30 s, there was time for 0 s; 1 round of 4 processes is made all the same, and so on",
        ),
    ],
)
def test_what_the_fewest_rounds_take_is_said_where_it_is_too_much(remarks, rounds, round_s, left_s, said):
    say_overtime("server", rounds, round_s, left_s, 4, remarks, ", and so on")
    (text,) = remarks.texts
    assert text.strip().startswith(said)
    assert ", and so on; fewer cases take less" in text


def test_nothing_is_said_where_two_rounds_fit(remarks):
    say_overtime("server", 5, 5, 12, 4, remarks)
    assert remarks.texts == []


@pytest.mark.parametrize(
    ("batch_size", "round_s", "said"),
    [
        (
            8,
            4.0,
            [
                "  measuring takes about 20 s, where there is time for 5 s: the least is 5 rounds of 4 processes;"
                " fewer samples a call take less"
            ],
        ),
        (1, 4.0, ["  measuring takes about 20 s, where there is time for 5 s: the least is 5 rounds of 4 processes"]),
        (1, 2.0, []),
    ],
)
def test_rounds_of_an_a_b_comparison_that_take_much_longer_than_asked_are_announced(remarks, batch_size, round_s, said):
    each = Participant(key="A1", subject=None, threads=1, batch_size=batch_size, calls=1)
    say_long_rounds(5, round_s, 5.0, [each] * 4, remarks)
    assert remarks.texts == said


class Queries:
    """A worker whose calls take a second."""

    def __init__(self) -> None:
        self.calls = 0

    def feed(self, *_):
        pass

    def first_inference(self) -> int:
        return SECOND_NS

    def time(self, calls: int, _warmup_ns: int):
        self.calls += calls
        return type("Block", (), {"latency_ns": [SECOND_NS] * calls})()


@pytest.mark.parametrize(("each_ns", "calls"), [(SECOND_NS, 1), (2 * SECOND_NS, 3)])
def test_a_query_that_takes_all_of_the_time_is_made_once(monkeypatch, each_ns, calls):
    monkeypatch.setattr(multi_stream, "_load", lambda asked, *_: asked.samples)
    each = type("Each", (), {"case": "a", "prepared": type("Prepared", (), {"inputs": None})()})()
    worker = Queries()
    found = finished(multi_stream._asked_queries(AskedMultiStream(samples=9), each, worker, 0, each_ns, 0, {}))
    assert worker.calls == calls
    assert set(found.latency_ns) == {SECOND_NS}


def test_no_larger_batch_is_tried_once_the_time_is_over(monkeypatch):
    clock = Clock()  # fewer than three sizes do not tell whether it grows

    def point(each, _worker, size, _seed):
        clock.now_ns += SECOND_NS
        return Point(threads=1, batch_size=size, call_ns=1000)

    monkeypatch.setattr(offline, "time", clock)
    monkeypatch.setattr(offline, "_point", point)
    monkeypatch.setattr(offline, "_doublings", lambda *_: [1, 2, 4, 8, 16])
    each = type("Each", (), {"key": "a", "threads": 1})()
    worker, ended = type("Worker", (), {"unload": lambda _: None})(), {}
    steps = offline._grown(AskedOffline(), each, worker, 0, (), 0, ended, SECOND_NS)
    assert [each.batch_size for each in finished(steps).points] == [1, 2, 4]
    assert ended == {"a": "t1: the time was over at batch 4; --time allows more"}


@pytest.mark.parametrize(("seconds", "most"), [(0.001, 3), (1000, 40)])
def test_a_search_ends_with_a_rate_once_its_time_is_over(monkeypatch, seconds, most):
    clock, capacity = Clock(), 1500.0

    def serve(request):
        clock.now_ns += SECOND_NS
        is_held = request.rate_per_s < capacity
        return ServedQueries(
            queries=1000, over=0, tail_ns=1, busy_ns=1, elapsed_ns=SECOND_NS, is_held=is_held, away_ns=0
        )

    monkeypatch.setattr(server, "time", clock)
    timed = type("Timed", (), {"artifact": None, "options": None, "inputs": None})()
    scenario = type("Scenario", (), {"batch_size": 1})()
    case = type("Case", (), {"scenario": scenario})()
    prepared = type("Prepared", (), {"timed": lambda _: timed, "case": case, "call_ns": 1_000_000})()
    each = type("Each", (), {"prepared": prepared, "is_replicate": False, "key": "a"})()
    nothing = staticmethod(lambda *_: None)
    worker = type(
        "Worker", (), {"load": nothing, "feed": nothing, "first_inference": nothing, "serve": staticmethod(serve)}
    )()
    asked = AskedServer(latency=1_000_000)
    found = finished(server._searched(asked, each, worker, 0, (), int(seconds * SECOND_NS), 0))
    assert found.sustained_per_s is not None
    assert found.sustained_per_s < capacity
    assert len(found.trials) <= most
    assert bool(list(_unfinished(outcome(found)))) == (most == 3)


def outcome(*rounds: ServerRound) -> Server:
    return Server(asked="server", latency_ns=1, percentile=99, confidence=0.99, rounds=rounds)


def trial(rate: float, verdict: str) -> Trial:
    return Trial(rate_per_s=rate, queries=9, over=0, tail_ns=1, busy_ns=1, elapsed_ns=1, verdict=verdict)


def test_a_rate_that_was_not_found_to_its_end_says_how_far_it_may_be():
    held, missed = trial(100, "held"), trial(130, "not held")
    (text,) = _unfinished(outcome(ServerRound(index=0, trials=(held, missed), sustained_per_s=100)))
    assert "it may be up to 30% higher; --time allows more" in text
    (text,) = _unfinished(outcome(ServerRound(index=0, trials=(held,), sustained_per_s=100)))
    assert "it may be higher; --time" in text
