"""Rounds: one fresh worker per participant, all alive together, only one ever running, in random order.

A round gives every participant the same conditions. Rounds, not calls, are the replicates: memory layout is drawn once
a process. Each order of blocks is followed by its reverse, so that a drift of the machine's speed cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from crossrt.harness.errors import ChildFailedError
from crossrt.harness.measure.effort import FEWEST_ROUNDS
from crossrt.harness.measure.overtime import beyond, say_overtime
from crossrt.harness.measure.participant import Participant
from crossrt.harness.measure.settings import Effort, WorkerLimits
from crossrt.harness.process.affinity import Processors
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.reports.schema.records import Round
from crossrt.reports.text.progress import Display


@dataclass(slots=True, kw_only=True)
class Measurements:
    """What the rounds found so far; filled while they run, so that an interrupt loses only the round in progress."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    failures: dict[str, ChildFailedError] = field(default_factory=dict)
    parent_cpu_s: float = 0.0
    measured_s: float = 0.0
    is_cut_short: bool = False
    left_out: set[str] = field(default_factory=set)
    """Keys of what was found to have no time after the first round."""

    @property
    def parent_cpu_share(self) -> float | None:
        """Share of a core that this process used while workers measured."""
        return self.parent_cpu_s / self.measured_s if self.measured_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSettings:
    """How rounds are made.

    Attributes:
        effort: How long is measured.
        limits: What a worker may take.
        seed: Seed of all orders and of the samples that are timed.
        deadline: Moment of `time.monotonic` after which no further round begins, or None.
        keeps_time: Whether scenarios are left out where the first round shows that the fewest take longer.
        after_round: Called when a round is over and its processes are gone.
    """

    effort: Effort
    limits: WorkerLimits
    seed: int
    deadline: float | None = None
    keeps_time: bool = False
    after_round: Callable[[], None] = lambda: None


@dataclass(slots=True, kw_only=True)
class _Running:
    """A participant within a round."""

    participant: Participant
    worker: CaseWorker
    position: int
    load_ns: int = 0
    first_inference_ns: int = 0
    blocks_ns: list[tuple[int, ...]] = field(default_factory=list)
    repeated: int = 0
    disturbed: list[int] = field(default_factory=list)


StartWorker = Callable[[Participant, WorkerLimits], CaseWorker]


def start_worker(participant: Participant, limits: WorkerLimits) -> CaseWorker:
    """A fresh process for a participant."""
    python = participant.subject.python if participant.subject else None
    return CaseWorker(participant.threads, limits, python)


class RoundRunner:
    """Runs rounds over participants whose answers were checked before."""

    def __init__(
        self,
        participants: Sequence[Participant],
        settings: RoundSettings,
        measurements: Measurements,
        start: StartWorker = start_worker,
    ) -> None:
        """`start` makes the process of a participant, once a round."""
        self._participants = list(participants)
        self._start_worker = start
        self._settings = settings
        self._found = measurements
        self._random = Random(settings.seed)  # noqa: S311 - orders, not secrets
        self._processors = Processors.of_this_process()  # now: in a round this process has fewer
        shares_a_core = any(each.threads == 1 for each in participants)
        self._kept_free = self._processors.pinned_cpu(1) if shares_a_core else None

    def run(self, display: Display, name: str = "measuring") -> None:
        """Runs the rounds that there is time for; what fails keeps its finished rounds and is left out then."""
        effort = self._settings.effort
        display.phase(name, effort.rounds * (effort.blocks + 1))
        longest_s = 0.0
        for index in range(effort.rounds):
            started = time.monotonic()
            if index >= FEWEST_ROUNDS and self._is_over(started + longest_s):
                self._found.is_cut_short = True
                return
            self.run_round(index, display)
            longest_s = max(longest_s, time.monotonic() - started)
            if index == 0 and self._settings.deadline is not None:
                if self._settings.keeps_time and effort.rounds > 1:
                    longest_s *= self._leave_out(beyond(self._participants, longest_s, self._left_s()))
                left_s, processes = self._settings.deadline - started, len(self._participants)
                say_overtime(name, effort.rounds, longest_s, left_s, processes, display)

    def _left_s(self) -> float:
        assert self._settings.deadline is not None
        return self._settings.deadline - time.monotonic()

    def _leave_out(self, those: Sequence[Participant]) -> float:
        """Forgets participants, for one round has no interval; returns the share of those that stay."""
        keys, before = {each.key for each in those}, len(self._participants)
        self._found.left_out |= keys
        self._found.rounds = {key: rounds for key, rounds in self._found.rounds.items() if key not in keys}
        self._participants = [each for each in self._participants if each.key not in keys]
        return len(self._participants) / before

    def _is_over(self, moment: float) -> bool:
        return self._settings.deadline is not None and moment > self._settings.deadline

    def run_round(self, index: int, display: Display) -> None:
        """Runs one round."""
        order = [each for each in self._participants if self._takes_part(each, index)]
        self._random.shuffle(order)
        with ExitStack() as stack:
            display.doing(f"round {index + 1}: starting {len(order)} fresh processes")
            running = [self._start(each, position, stack) for position, each in enumerate(order)]
            running = self._survivors(running, self._finish_import)
            with self._processors.parent_off(self._kept_free):
                running = self._survivors(running, self._prepare)
                display.step(f"round {index + 1}: timing")
                for block in range(self._settings.effort.blocks):
                    self._next_order(running, block)
                    running = self._run_blocks(running)
                    display.step(f"round {index + 1}: timing")
            self._keep(index, running)
            for each in running:
                each.worker.kill()  # nothing is left to save, and an orderly end takes longer
        self._settings.after_round()

    def _takes_part(self, participant: Participant, index: int) -> bool:
        is_due = participant.rounds is None or index < participant.rounds
        return is_due and participant.key not in self._found.failures

    def _next_order(self, running: list[_Running], block: int) -> None:
        if block % 2:
            running.reverse()
        else:
            self._random.shuffle(running)

    def _start(self, participant: Participant, position: int, stack: ExitStack) -> _Running:
        worker = stack.enter_context(self._start_worker(participant, self._settings.limits))
        if participant.subject is not None:
            worker.start_import(participant.subject.runtime)
        return _Running(participant=participant, worker=worker, position=position)

    def _finish_import(self, each: _Running) -> None:
        if each.participant.subject is None:
            each.worker.wait_for_greeting()
        else:
            each.worker.finish_import()

    def _prepare(self, each: _Running) -> None:
        """Loads the model and makes the first call, alone on the machine once all imports are over."""
        worker, subject = each.worker, each.participant.subject
        if cpus := self._processors.of_worker(each.participant.threads):
            worker.pin(cpus)
        if subject is None:
            each.load_ns = worker.load_reference_workload()
        else:
            each.load_ns = worker.load(subject.artifact, subject.options)
            worker.feed(subject.inputs, each.participant.batch_size, self._settings.seed)
        each.first_inference_ns = worker.first_inference()
        if subject is not None:
            for _ in range(self._settings.effort.sessions - 1):
                worker.load(subject.artifact, subject.options)

    def _run_blocks(self, running: Sequence[_Running]) -> list[_Running]:
        started, cpu = time.perf_counter(), time.process_time()
        alive = self._survivors(running, self._time)
        self._found.measured_s += time.perf_counter() - started
        self._found.parent_cpu_s += time.process_time() - cpu
        return alive

    def _time(self, each: _Running) -> None:
        """One block; one that was disturbed is timed once more, and marked if that was disturbed too."""
        calls, warmup_ns = each.participant.calls, self._settings.effort.warmup_ns
        session = len(each.blocks_ns) // 2 % self._settings.effort.sessions
        block = each.worker.time(calls, warmup_ns, session)
        if block.is_disturbed:
            each.repeated += 1
            block = each.worker.time(calls, warmup_ns, session)
            if block.is_disturbed:
                each.disturbed.append(len(each.blocks_ns))
        each.blocks_ns.append(tuple(block.latency_ns))

    def _survivors(self, running: Sequence[_Running], step: Callable[[_Running], None]) -> list[_Running]:
        return [each for each in running if self._survives(each, step)]

    def _survives(self, each: _Running, step: Callable[[_Running], None]) -> bool:
        try:
            step(each)
        except ChildFailedError as failure:
            self._found.failures[each.participant.key] = failure
            each.worker.kill()
            return False
        except UnsupportedError as reason:
            self._found.failures[each.participant.key] = ChildFailedError(str(reason), "")
            return False
        return True

    def _keep(self, index: int, running: Sequence[_Running]) -> None:
        """Adds a round in one step: an interrupt finds all of it, or nothing."""
        found = dict(self._found.rounds)
        for each in running:
            made = Round(
                index=index,
                position=each.position,
                load_ns=each.load_ns,
                first_inference_ns=each.first_inference_ns,
                blocks_ns=tuple(each.blocks_ns),
                repeated_blocks=each.repeated,
                disturbed_blocks=tuple(each.disturbed),
            )
            found[each.participant.key] = [*found.get(each.participant.key, ()), made]
        self._found.rounds = found
