"""Rounds: one fresh worker per case, all alive together, only one ever running, in random order.

A round gives every case the same weather. Rounds, not calls, are the replicates: memory layout is drawn once a process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

from exporters.artifact import ModelArtifact
from harness.affinity import parent_off, pinned_cpu, usable_cpus
from harness.case import Case
from harness.case_worker import CaseWorker, UnsupportedError
from harness.errors import ChildFailedError
from harness.progress import Display
from harness.settings import BenchSettings
from harness.workspace import Workspace
from reports.schema import Round


@dataclass(slots=True, kw_only=True)
class Measurements:
    """What the rounds found so far; filled while they run, so that an interrupt loses only the round in progress."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    failures: dict[str, ChildFailedError] = field(default_factory=dict)
    parent_cpu_s: float = 0.0
    measured_s: float = 0.0

    @property
    def parent_cpu_share(self) -> float | None:
        """Share of a core that this process used while workers measured."""
        return self.parent_cpu_s / self.measured_s if self.measured_s else None


@dataclass(slots=True, kw_only=True)
class _Running:
    """A case within a round."""

    case: Case
    worker: CaseWorker
    position: int
    load_ns: int = 0
    first_run_ns: int = 0
    latency_ns: list[int] = field(default_factory=list)


class RoundRunner:
    """Runs rounds over cases that were assessed before."""

    def __init__(
        self,
        cases: Sequence[Case],
        artifacts: Mapping[str, ModelArtifact],
        calls: Mapping[str, int],
        settings: BenchSettings,
        workspace: Workspace,
        measurements: Measurements,
    ) -> None:
        self._cases = list(cases)
        self._artifacts = artifacts
        self._calls = calls
        self._settings = settings
        self._workspace = workspace
        self._found = measurements
        self._random = Random(settings.seed)  # noqa: S311 - orders, not secrets
        self._pinned = pinned_cpu(settings.threads)

    def run(self, display: Display) -> None:
        """Runs all rounds. A case that fails keeps its finished rounds and is left out of the later ones."""
        effort = self._settings.effort
        display.phase("measuring", effort.rounds * (effort.blocks + 1))
        for index in range(effort.rounds):
            self._run_round(index, display)

    def _run_round(self, index: int, display: Display) -> None:
        order = [case for case in self._cases if case.id not in self._found.failures]
        self._random.shuffle(order)
        with ExitStack() as stack:
            display.doing(f"round {index + 1}: starting {len(order)} fresh processes")
            running = [self._start(case, position, stack) for position, case in enumerate(order)]
            running = self._survivors(running, self._finish_import)
            with parent_off(self._pinned):
                running = self._survivors(running, self._prepare)
                display.step(f"round {index + 1}: timing")
                for _ in range(self._settings.effort.blocks):
                    self._random.shuffle(running)
                    running = self._run_blocks(running)
                    display.step(f"round {index + 1}: timing")
            self._keep(index, running)

    def _start(self, case: Case, position: int, stack: ExitStack) -> _Running:
        worker = stack.enter_context(CaseWorker(case.scenario.threads, self._settings.limits))
        worker.start_import(case.runtime)
        return _Running(case=case, worker=worker, position=position)

    def _finish_import(self, each: _Running) -> None:
        each.worker.finish_import()

    def _prepare(self, each: _Running) -> None:
        """Loads the model and makes the first call, alone on the machine once all imports are over."""
        worker, scenario = each.worker, each.case.scenario
        worker.pin([self._pinned] if self._pinned is not None else sorted(usable_cpus()))
        each.load_ns = worker.load(self._artifacts[each.case.artifact_id], scenario)
        worker.feed(self._workspace.images, scenario.batch_size, self._settings.seed)
        each.first_run_ns = worker.first_run()

    def _run_blocks(self, running: Sequence[_Running]) -> list[_Running]:
        started, cpu = time.perf_counter(), time.process_time()
        alive = self._survivors(running, self._time)
        self._found.measured_s += time.perf_counter() - started
        self._found.parent_cpu_s += time.process_time() - cpu
        return alive

    def _time(self, each: _Running) -> None:
        each.latency_ns += each.worker.time(self._calls[each.case.id], self._settings.effort.warmup_ns)

    def _survivors(self, running: Sequence[_Running], step: Callable[[_Running], None]) -> list[_Running]:
        return [each for each in running if self._survives(each, step)]

    def _survives(self, each: _Running, step: Callable[[_Running], None]) -> bool:
        try:
            step(each)
        except ChildFailedError as failure:
            self._found.failures[each.case.id] = failure
            each.worker.kill()
            return False
        except UnsupportedError as reason:
            self._found.failures[each.case.id] = ChildFailedError(str(reason), "")
            return False
        return True

    def _keep(self, index: int, running: Sequence[_Running]) -> None:
        for each in running:
            self._found.rounds.setdefault(each.case.id, []).append(
                Round(
                    index=index,
                    position=each.position,
                    load_ns=each.load_ns,
                    first_run_ns=each.first_run_ns,
                    latency_ns=tuple(each.latency_ns),
                )
            )
