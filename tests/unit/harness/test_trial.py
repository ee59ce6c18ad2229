"""The rough latency of a case, from which its rounds and blocks are planned."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from crossrt.harness.evaluate.assess import TRIAL_NS, _trial
from crossrt.harness.measure.settings import DEFAULT_EFFORT

STALL_NS = 4_000_000


class Worker:
    """Calls of a case that take 130 µs, or what is given, but for those that are stalled."""

    def __init__(self, call_ns=130_000, stalled=()):
        self.call_ns, self.stalled, self.calls = call_ns, stalled, 0

    def time(self, calls, _):
        numbers = range(self.calls, self.calls + calls)
        self.calls += calls
        return SimpleNamespace(latency_ns=tuple(STALL_NS if each in self.stalled else self.call_ns for each in numbers))


@pytest.mark.parametrize("first_ns", [150_000, 3 * TRIAL_NS])
@pytest.mark.parametrize("stalled", [(), (0,), range(6), range(7, 14)])
def test_stalled_calls_do_not_count(first_ns, stalled):
    assert _trial(Worker(stalled=stalled), first_ns, DEFAULT_EFFORT) == 130_000


def test_a_slow_model_is_tried_once():
    worker = Worker(call_ns=2 * TRIAL_NS)
    assert _trial(worker, 3 * TRIAL_NS, DEFAULT_EFFORT) == 2 * TRIAL_NS
    assert worker.calls == 1
