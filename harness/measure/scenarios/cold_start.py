"""The cold-start scenario: from before a process is made to its first answer, part by part."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import perf_counter_ns
from typing import Final

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.measure.effort import FEWEST_ROUNDS
from crossrt.harness.measure.overtime import say_overtime
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.scenarios.asked import AskedColdStart
from crossrt.harness.measure.scenarios.budget import Allowance, with_replicate
from crossrt.harness.measure.scenarios.turns import Entrant, Found
from crossrt.harness.process.affinity import Processors
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.page_cache import drop, own_libraries, resident_share
from crossrt.reports.schema.scenarios import ColdRound, ColdStart, ScenarioOutcome
from crossrt.reports.text.progress import Display

MOST_ROUNDS: Final = 20


def measure_cold_start(
    asked: AskedColdStart,
    prepared: Sequence[Prepared],
    baseline: str,
    allowance: Allowance,
    display: Display,
    into: dict[str, ScenarioOutcome],
) -> None:
    """Fills in the outcome of each case, by its id: a fresh process of each in every round, one after the other."""
    entrants = with_replicate(prepared, baseline)
    starts = _Starts(asked, allowance)
    deadline, rounds = time.monotonic() + allowance.time_s, min(2 * allowance.rounds, MOST_ROUNDS)
    display.phase("cold start", rounds)
    random = Random(allowance.seed)  # noqa: S311 - orders, not secrets
    order, longest_s = list(entrants), 0.0
    try:
        for index in range(rounds):
            began = time.monotonic()
            if index >= FEWEST_ROUNDS and began + longest_s > deadline:
                display.remark(f"  cold start: {index} rounds in place of {rounds}, the time is over")
                break
            order.reverse() if index % 2 else random.shuffle(order)
            for each in order:
                starts.start(each, index)
            longest_s = max(longest_s if index > 1 else 0.0, time.monotonic() - began)  # the first starts each twice
            if index == 0:
                say_overtime("cold start", rounds, 0.75 * longest_s, deadline - began, len(order), display)
            display.step(f"cold start: round {index + 2}")
    finally:
        into.update({each.case.id: starts.outcome(each.case.id) for each in prepared})


class _Starts:
    """Starts processes, and keeps what they took."""

    def __init__(self, asked: AskedColdStart, allowance: Allowance) -> None:
        self._asked, self._allowance = asked, allowance
        self._found: Found[ColdRound] = Found()
        self._processors = Processors.of_this_process()
        self._libraries: dict[str, Sequence[Path]] = {}
        self._resident: dict[str, float] = {}

    def start(self, each: Entrant, index: int) -> None:
        """One process, from nothing to its first answer; the first start of each case only warms the page cache."""
        if each.key in self._found.failures:
            return
        try:
            if index == 0:
                self._first_answer(each, index)
            if self._asked.cache == "cold":
                self._drop(each)
            self._found.records.setdefault(each.key, []).append(self._first_answer(each, index))
        except (ChildFailedError, UnsupportedError) as failure:
            reason = failure.reason if isinstance(failure, ChildFailedError) else str(failure)
            self._found.failures[each.key] = reason

    def outcome(self, case: str) -> ColdStart:
        """What was found of a case."""
        own, again = (tuple(self._found.records.get(key, ())) for key in (case, f"{case} replicate"))
        failure = self._found.failures.get(case)
        return ColdStart(
            asked=self._asked.text,
            status="failed" if failure else "ok" if own else "skipped",
            reason=failure if failure or own else "interrupted before its first start ended",
            cache=self._asked.cache,
            rounds=own,
            replicate=again,
            resident=self._resident.get(case),
        )

    def _first_answer(self, each: Entrant, index: int) -> ColdRound:
        timed, threads, runtime = each.prepared.timed(), each.threads, each.prepared.case.runtime
        with self._started_on(threads):
            began_ns = perf_counter_ns()
            worker = CaseWorker(threads, self._allowance.limits, timed.python)
        cpu = self._processors.pinned_cpu(threads)
        with worker, self._processors.parent_off(cpu):
            started_ns, imported_ns = worker.import_timed(runtime)
            load_ns = worker.load(timed.artifact, timed.options)
            worker.feed(timed.inputs, each.prepared.case.scenario.batch_size, self._allowance.seed)
            first_call_ns = worker.first_inference()
            if runtime not in self._libraries:
                self._libraries[runtime] = own_libraries(worker.pid)
            worker.kill()
        return ColdRound(
            index=index,
            start_ns=started_ns - began_ns,
            import_ns=imported_ns - started_ns,
            load_ns=load_ns,
            first_call_ns=first_call_ns,
        )

    @contextmanager
    def _started_on(self, threads: int) -> Iterator[None]:
        """Processes that are made meanwhile run on the processors of a case from their first instruction on."""
        cpus = self._processors.of_worker(threads)
        if not cpus:
            yield
            return
        os.sched_setaffinity(0, cpus)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self._processors.usable)

    def _drop(self, each: Entrant) -> None:
        """Drops the model and the runtime's libraries from the page cache, and sees what stayed."""
        artifact = each.prepared.artifact
        data = (artifact.path.parent / name for name in artifact.data_files)
        files = [artifact.path, *data, *self._libraries.get(each.prepared.case.runtime, ())]
        drop(files)
        share = resident_share(files)
        self._resident[each.case] = max(share, self._resident.get(each.case, 0.0))
