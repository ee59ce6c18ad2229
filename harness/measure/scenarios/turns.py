"""Rounds of fresh processes that take turns: all alive together, only one ever running, in random order.

A turn is one step of a case: a block of queries, a batch size, a trial at a rate. Each order is followed by its
reverse, as in the rounds of single-stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeAlias, TypeVar

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.measure.effort import FEWEST_ROUNDS
from crossrt.harness.measure.overtime import say_overtime
from crossrt.harness.measure.participants import Prepared
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.affinity import Processors
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.reports.text.progress import Display

Record = TypeVar("Record")
Steps: TypeAlias = Generator[None, None, Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A fresh process of each round.

    Attributes:
        key: Unique within a scenario.
        prepared: The case, which passed its checks.
        threads: Threads per operator.
        is_replicate: Whether it is a second process of a case (A/A).
    """

    key: str
    prepared: Prepared
    threads: int
    is_replicate: bool = False

    @property
    def case(self) -> str:
        """The id of its case."""
        return self.prepared.case.id


@dataclass(slots=True, kw_only=True)
class Found(Generic[Record]):
    """What finished rounds found, and why processes failed, each by the key of its entrant."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """How rounds are made.

    Attributes:
        rounds: At most.
        seed: Of orders.
        limits: What a worker may take.
        deadline: Moment of `time.monotonic` after which no further round begins.
    """

    rounds: int
    seed: int
    limits: WorkerLimits
    deadline: float


class Turns(Generic[Record]):
    """Runs rounds over entrants."""

    def __init__(
        self,
        entrants: Sequence[Entrant],
        settings: TurnSettings,
        steps: Callable[[Entrant, CaseWorker, int], Steps[Record]],
        found: Found[Record],
    ) -> None:
        """`steps` does the work of one entrant in one round, a turn at a time; what it returns goes to `found`."""
        self._entrants, self._settings, self._steps, self._found = entrants, settings, steps, found
        self._random = Random(settings.seed)  # noqa: S311 - orders, not secrets
        self._processors = Processors.of_this_process()
        shares_a_core = any(each.threads == 1 for each in entrants)
        self._kept_free = self._processors.pinned_cpu(1) if shares_a_core else None

    def run(self, name: str, display: Display, why_long: str = "") -> None:
        """Runs the rounds that there is time for; an entrant that fails keeps its finished rounds, and is left out.

        Where the fewest rounds take longer than that, this is said with `why_long`, after the first one.
        """
        display.phase(name, self._settings.rounds)
        longest_s = 0.0
        for index in range(self._settings.rounds):
            started = time.monotonic()
            if index >= FEWEST_ROUNDS and started + longest_s > self._settings.deadline:
                display.remark(f"  {name}: {index} rounds in place of {self._settings.rounds}, the time is over")
                return
            self._round(index, display)
            longest_s = max(longest_s, time.monotonic() - started)
            if index == 0:
                left_s, processes = self._settings.deadline - started, len(self._entrants)
                say_overtime(name, self._settings.rounds, longest_s, left_s, processes, display, why_long)
            display.step(f"{name}: round {index + 2}")

    def _round(self, index: int, display: Display) -> None:
        order = [each for each in self._entrants if each.key not in self._found.failures]
        self._random.shuffle(order)
        display.doing(f"round {index + 1}: starting {len(order)} fresh processes")
        with ExitStack() as stack:
            workers = {each.key: self._started(each, stack) for each in order}
            for each in order:
                self._attempt(each, workers[each.key].finish_import)
            with self._processors.parent_off(self._kept_free):
                display.doing(f"round {index + 1}: timing")
                self._take_turns(order, workers, index)
            for worker in workers.values():
                worker.kill()

    def _started(self, each: Entrant, stack: ExitStack) -> CaseWorker:
        worker = stack.enter_context(CaseWorker(each.threads, self._settings.limits, each.prepared.case.python))
        worker.start_import(each.prepared.case.runtime)
        return worker

    def _take_turns(self, order: Sequence[Entrant], workers: dict[str, CaseWorker], index: int) -> None:
        running = [
            (each, self._steps(each, workers[each.key], index))
            for each in order
            if each.key not in self._found.failures
        ]
        for each, _ in running:
            if cpus := self._processors.of_worker(each.threads):
                self._attempt(each, lambda each=each, cpus=cpus: workers[each.key].pin(cpus))  # type: ignore[misc]
        finished: dict[str, Record] = {}
        turn = 0
        while running := [pair for pair in running if self._goes_on(*pair, finished)]:
            if turn % 2:
                running.reverse()
            else:
                self._random.shuffle(running)
            turn += 1
        for key, record in finished.items():
            self._found.records.setdefault(key, []).append(record)

    def _goes_on(self, each: Entrant, steps: Steps[Record], finished: dict[str, Record]) -> bool:
        """One turn; False where it was the last."""
        if each.key in self._found.failures:
            return False
        try:
            next(steps)
        except StopIteration as end:
            finished[each.key] = end.value
            return False
        except (ChildFailedError, UnsupportedError) as failure:
            self._fail(each, failure)
            return False
        return True

    def _attempt(self, each: Entrant, step: Callable[[], object]) -> None:
        if each.key in self._found.failures:
            return
        try:
            step()
        except (ChildFailedError, UnsupportedError) as failure:
            self._fail(each, failure)

    def _fail(self, each: Entrant, failure: ChildFailedError | UnsupportedError) -> None:
        self._found.failures[each.key] = failure.reason if isinstance(failure, ChildFailedError) else str(failure)
