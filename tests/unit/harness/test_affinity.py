"""Where workers run while they are timed: read from the kernel, for every thread of every worker."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from crossrt.harness.doctor import resources
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.duel.arms import parse_side
from crossrt.harness.measure.rounds import RoundRunner
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process import affinity
from crossrt.harness.process.affinity import Processors, pinned_cpu, usable_cpus

N = len(os.sched_getaffinity(0))
THREADS = sorted({1, 2, N})


@pytest.fixture
def seen(monkeypatch):
    """By participant: the processors of each thread of its worker, read before and after each block."""
    found: dict[str, set[frozenset[int]]] = {}
    time_block = RoundRunner._time

    def watched(self, each):
        places = found.setdefault(each.participant.key, set())
        places |= affinities(each.worker.pid)
        time_block(self, each)
        places |= affinities(each.worker.pid)
        assert Processors.of_this_process().usable == self._processors.usable - {self._kept_free} or N == 1

    monkeypatch.setattr(RoundRunner, "_time", watched)
    return found


def affinities(pid: int) -> set[frozenset[int]]:
    return {frozenset(os.sched_getaffinity(int(task.name))) for task in Path(f"/proc/{pid}/task").iterdir()}


@pytest.mark.usefixtures("noops")
@pytest.mark.processes
@pytest.mark.parametrize("threads", THREADS)
def test_every_thread_of_every_worker_of_a_bench_runs_where_it_should(bench, seen, threads):
    before = usable_cpus()
    report = bench(threads=threads, effort_rounds=1)
    expected = frozenset({max(before)}) if threads == 1 else before
    assert {result.status for result in report.results} == {"ok"}
    assert {each.kind for each in report.controls} == {"replicate", "noop", "reference"}
    assert seen.pop("reference workload") == {frozenset({max(before)})}
    assert len([key for key in seen if key.startswith("no-op ")]) == 2
    assert len([key for key in seen if key.endswith(" replicate")]) == 1
    assert len(seen) == 3 + 2 + 1
    assert {key: places for key, places in seen.items() if places != {expected}} == {}
    assert report.run.settings.pinned_cpu == (max(before) if threads == 1 else None)
    assert usable_cpus() == before


@pytest.mark.processes
@pytest.mark.parametrize("threads", THREADS)
def test_sides_of_a_duel_with_one_and_with_several_threads_run_where_they_should(duel, seen, threads):
    before = usable_cpus()
    duel("fp32@ort-cpu/t1", f"fp32@tflite/t{threads}")
    assert seen.keys() == {"A1", "A2", "B1", "B2"}
    one, several = frozenset({max(before)}), frozenset({max(before)}) if threads == 1 else before
    for key, places in seen.items():
        assert places == {several if key.startswith("B") else one}, key


@pytest.mark.parametrize("cpus", [{0}, {0, 1}, {2, 3, 5}])
def test_parent_and_workers_share_no_processor_where_there_are_two(cpus, monkeypatch):
    asked = []
    monkeypatch.setattr(affinity.os, "sched_getaffinity", lambda _: set(asked[-1]) if asked else cpus)
    monkeypatch.setattr(affinity.os, "sched_setaffinity", lambda _, cpus: asked.append(set(cpus)))
    processors = Processors.of_this_process()
    with processors.parent_off(processors.pinned_cpu(1)):
        assert processors.of_worker(1) == (max(cpus),)
        assert processors.of_worker(2) == tuple(sorted(cpus))
    assert asked[1:] == ([] if len(cpus) == 1 else [cpus - {max(cpus)}, cpus])


def test_a_system_that_refuses_to_pin_is_measured_on_without(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(affinity.os, "sched_setaffinity", refuse)
    processors = Processors.of_this_process()
    assert processors.pinned_cpu(1) is pinned_cpu(1) is None
    assert processors.of_worker(1) == ()
    with processors.parent_off(processors.pinned_cpu(1)):
        pass
    assert resources.cores().outcome == "warn"


@pytest.mark.processes
def test_a_report_says_that_nothing_was_pinned(bench, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(affinity.os, "sched_setaffinity", refuse)
    report = bench(only=("fp32@ort",), effort_rounds=1)
    assert [result.status for result in report.results] == ["ok"]
    assert report.run.settings.pinned_cpu is None
    assert affinity.NOT_PINNED in report.warnings


def test_nothing_is_pinned_to_one_processor_with_several_threads():
    assert pinned_cpu(2) is None


@pytest.mark.parametrize(("threads", "is_refused"), [(4, False), (8, False), (9, True), (5000, True)])
def test_far_more_threads_than_processors_are_refused(monkeypatch, threads, is_refused):
    monkeypatch.setattr(affinity, "usable_cpus", lambda: frozenset({0, 1}))
    asked = [lambda: BenchSettings(threads=threads), lambda: parse_side(f"fp32@ort-cpu/t{threads}")]
    for ask in asked:
        if is_refused:
            with pytest.raises(HarnessError, match=f"^{threads} threads were asked for and 2 CPUs can be used"):
                ask()
        else:
            ask()
