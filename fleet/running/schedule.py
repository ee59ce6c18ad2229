"""Which job runs on which node, and what is done when one of them fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossrt.core.errors import CrossrtError
from crossrt.fleet.running.kept import Kept
from crossrt.fleet.running.records import Cluster, ClusterLostError, Ended, Found, Job, Node, Order
from crossrt.fleet.running.rows import Row, row_of
from crossrt.reports.text.cells import counted
from crossrt.reports.text.progress import Display

STEP_S: Final = 1.0
TELL_S: Final = 3.0
"""After so long it is said that a job waits for a node: those of a cluster join one by one."""
CANCELLING_S: Final = 40.0
SUSPECT_S: Final = 30.0
"""How long a node under which a task died gets no other: a dead one is still listed for some seconds."""

BUSY: Final = 75
"""Exit code of `crossrt bench --exclusive` on a machine that is not quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to give up.

    Attributes:
        attempts: How many nodes may die under a job.
        wait_s: How long a job waits for a node that it fits, then to be started there, and then for other crossrt runs
            on its machine.
        job_s: How long a job may take.
    """

    attempts: int
    wait_s: float
    job_s: float


@dataclass(slots=True, kw_only=True)
class _Open:
    """A job that is not settled.

    Attributes:
        node: Where it runs now.
        since: When it was handed to its node, or last had none.
        deaths: How many nodes died under it.
        refused: Why nodes would not measure it, by their ids.
        is_told: Whether it was said that it waits for a node.
    """

    job: Job
    since: float
    node: Node | None = None
    deaths: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    is_told: bool = False


class Schedule:
    """Jobs until all are settled: never two on a machine, and each on another node when its own dies."""

    def __init__(
        self,
        jobs: Sequence[Job],
        cluster: Cluster,
        order: Callable[[Job, Node], Order],
        kept: Kept,
        patience: Patience,
        display: Display,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`order` says what a node is asked to do; `kept` has or gets the reports."""
        self._cluster, self._order, self._kept = cluster, order, kept
        self._patience, self._display, self._clock = patience, display, clock
        self.rows: dict[str, Row] = {}
        self._suspect_until: dict[str, float] = {}
        self._open: dict[str, _Open] = {}
        for job in jobs:
            if (report := kept.find(job.machine)) is not None:
                self.rows[job.machine] = row_of(job.machine, report, is_kept=True)
            else:
                self._open[job.machine] = _Open(job=job, since=clock())

    def run(self) -> None:
        """Runs; interrupted, it ends what runs and keeps what is finished.

        Raises:
            KeyboardInterrupt: Again, when that is done.
        """
        self._display.phase("measuring on the fleet", len(self._open))
        try:
            while self._open:
                self._step()
        except ClusterLostError as error:
            self._fail_all(str(error))
        except KeyboardInterrupt:
            self._cancel_all()
            raise

    def _step(self) -> None:
        self._assign()
        for ended in self._cluster.wait(STEP_S):
            if (each := self._open.get(ended.machine)) is not None and each.node is not None:
                self._settle(each, ended)
        self._give_up()

    def _assign(self) -> None:
        taken = {each.node.machine for each in self._open.values() if each.node is not None}
        for each in self._waiting():
            node = next((node for node in self._fitting(each) if node.machine not in taken), None)
            if node is not None:
                each.node, each.since = node, self._clock()
                taken.add(node.machine)
                self._display.remark(f"  {each.job.machine}: on node {node.host} ({node.id[:8]})")
                self._cluster.submit(node, self._order(each.job, node))
            elif not each.is_told and self._clock() - each.since >= TELL_S and not self._fitting(each):
                each.is_told = True
                self._display.remark(
                    f"  {each.job.machine}: waiting for {_wanted(each.job)}, at most {self._patience.wait_s:.0f} s"
                )

    def _waiting(self) -> Iterator[_Open]:
        return (each for each in list(self._open.values()) if each.node is None)

    def _fitting(self, each: _Open) -> list[Node]:
        now, fits = self._clock(), each.job.resources
        return [
            node
            for node in self._cluster.nodes()
            if node.has(fits) and node.id not in each.refused and now >= self._suspect_until.get(node.id, now)
        ]

    def _settle(self, each: _Open, ended: Ended) -> None:
        assert each.node is not None
        node, each.node, each.since = each.node, None, self._clock()
        machine = each.job.machine
        if ended.how == "died":
            self._bury(each, node, ended.reason)
        elif ended.how == "answered" and ended.found is not None:
            self._take(each, node, ended.found)
        else:
            self._fail(machine, f"Ray could not run it on node {node.host}: {ended.reason or ended.how}")

    def _bury(self, each: _Open, node: Node, reason: str) -> None:
        each.deaths += 1
        self._suspect_until[node.id] = self._clock() + SUSPECT_S
        self._display.remark(f"  {each.job.machine}: node {node.host} ({node.id[:8]}) died; all its cases start again")
        if each.deaths >= self._patience.attempts:
            self._fail(each.job.machine, f"{counted(each.deaths, 'node')} died under it; the last: {reason}")

    def _take(self, each: _Open, node: Node, found: Found) -> None:
        machine = each.job.machine
        if found.exit_code in (0, 1) and found.report is not None:
            try:
                report = self._kept.keep(machine, found.report)
            except CrossrtError as error:
                self._fail(machine, str(error))
                return
            self._close(machine, row_of(machine, report))
            return
        problem = found.problem or f"crossrt bench ended there with exit code {found.exit_code}"
        if found.exit_code in (None, BUSY):
            each.refused[node.id] = problem
            self._display.remark(f"  {machine}: {problem}")
            if not self._fitting(each):
                self._fail(machine, problem)
            return
        self._fail(machine, problem)

    def _give_up(self) -> None:
        now = self._clock()
        for each in list(self._open.values()):
            machine = each.job.machine
            if each.node is not None and now - each.since > self._patience.job_s + 2 * self._patience.wait_s:
                self._cluster.cancel(machine)
                self._fail(
                    machine,
                    f"node {each.node.host} did not start or finish it within {(now - each.since) / 60:.0f} minutes: do"
                    " other tasks or actors hold its CPUs? ray status tells",
                )
            elif each.node is None and not self._fitting(each) and now - each.since > self._patience.wait_s:
                self._fail(machine, self._without_node(each))

    def _without_node(self, each: _Open) -> str:
        return f"{_wanted(each.job).replace('a node', 'no node', 1)} is alive (waited {self._patience.wait_s:.0f} s)"

    def _fail(self, machine: str, reason: str) -> None:
        self._close(machine, Row(machine=machine, outcome="failed", text=reason))

    def _close(self, machine: str, row: Row) -> None:
        del self._open[machine]
        self.rows[machine] = row
        self._display.step(f"{machine}: {row.outcome}")
        self._display.remark(f"  {machine}: {row.outcome}")

    def _fail_all(self, reason: str) -> None:
        for machine in list(self._open):
            self._fail(machine, reason)

    def _cancel_all(self) -> None:
        """Ends all tasks, waits until their nodes have stopped, and keeps what was finished just then."""
        running = {machine for machine, each in self._open.items() if each.node is not None}
        self._display.remark(f"interrupted: ending {counted(len(running), 'task')}")
        deadline = self._clock() + CANCELLING_S
        try:
            for machine in running:
                self._cluster.cancel(machine)
            while running and self._clock() < deadline:
                for ended in self._cluster.wait(STEP_S):
                    running.discard(ended.machine)
                    if ended.how == "answered" and ended.machine in self._open:
                        self._settle(self._open[ended.machine], ended)
        except (ClusterLostError, KeyboardInterrupt):
            pass
        for machine in list(self._open):
            self._close(machine, Row(machine=machine, outcome="interrupted", text="not finished"))


def _wanted(job: Job) -> str:
    """`a node with the resource gpu that may be measured on`."""
    wanted = " and ".join(job.resources)
    return f"a node{f' with the resource {wanted}' if wanted else ''} that may be measured on"
