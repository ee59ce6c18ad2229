"""Before anything is timed: does the case run, are its answers right, how much memory, which operators.

Each case gets a process of its own. Nothing is timed here, so several run at once.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.harness.errors import LONGEST_REASON, ChildFailedError, NoAnswerError
from crossrt.harness.evaluate.answers import Answers, Outputs, collect_answers
from crossrt.harness.evaluate.feeding import Feeding
from crossrt.harness.evaluate.judge import Judge
from crossrt.harness.evaluate.repeating import Unrepeated, answers_twice, unrepeated
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.settings import BenchSettings, Effort, WorkerLimits
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.reports.schema.records import KernelCounts, KernelShares, Memory, Status
from crossrt.runtimes.kernels import Profile

TRIAL_CALLS = 21
TRIALS = 3
TRIAL_NS = 500_000_000
"""How long a trial of a slow model may take, its first inference aside."""

RANDOM_HINT = "inputs were random: give samples that fit with --data (crossrt inspect FILE shows how)"
MOST_BEFORE_HINT = LONGEST_REASON - len(RANDOM_HINT) - 2

_MEMORY_FACTOR = 4
"""A worker may have so many times the size of a large model file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known of a case before it is timed.

    Attributes:
        trial_ns: A rough latency, from which the number of calls of a block is chosen.
        load_ns: Loading the model and the first inference, roughly.
        placement_note: What the runtime leaves to another than was asked for.
        start_ns: Starting the process and importing the runtime, roughly.
    """

    status: Status
    reason: str | None = None
    stderr_tail: str | None = None
    runtime_version: str | None = None
    evaluation: Evaluation | None = None
    memory: Memory | None = None
    operators: tuple[str, ...] | None = None
    kernels: KernelCounts | None = None
    kernel_shares: KernelShares | None = None
    trial_ns: int = 0
    load_ns: int = 0
    placement_note: str | None = None
    start_ns: int = 0

    def scored(self, evaluation: Evaluation) -> Assessment:
        """The same with a score."""
        return dataclasses.replace(self, evaluation=evaluation)


def failed(failure: ChildFailedError) -> Assessment:
    """The assessment of a case that cannot be measured."""
    return Assessment(status="failed", reason=failure.reason, stderr_tail=failure.stderr_tail or None)


def skipped(reason: str) -> Assessment:
    """The assessment of a case that was never meant to run here."""
    return Assessment(status="skipped", reason=reason)


def limits_for(artifact: ModelArtifact, limits: WorkerLimits) -> WorkerLimits:
    """Limits of a worker; a large model may take some times its own size, where that is more."""
    needed = _MEMORY_FACTOR * artifact.size_bytes
    return dataclasses.replace(limits, memory_limit_bytes=max(limits.memory_limit_bytes, needed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A case that has run, and what it answered."""

    assessment: Assessment
    answers: Answers | None = None


class Assessor:
    """Assesses cases, each in a fresh worker."""

    def __init__(
        self,
        artifacts: Mapping[str, ModelArtifact],
        feedings: Mapping[str, Feeding],
        data: RunData,
        settings: BenchSettings,
        python: ForeignPython | None = None,
        *,
        is_random: bool = False,
    ) -> None:
        """Every artifact that a case runs must be among both mappings; random inputs may not fit a model."""
        self._artifacts, self._feedings, self._data = artifacts, feedings, data
        self._settings, self._python, self._is_random = settings, python, is_random

    def assess_all(
        self, cases: Sequence[Case], judge: Judge | None, kept: frozenset[str] = frozenset()
    ) -> Iterator[tuple[Case, Tried]]:
        """As many cases at once as there are processors, in the order in which they finish.

        Args:
            cases: The cases.
            judge: Scores their answers; None to answer without a score.
            kept: Cases whose answers stay on disk.
        """
        with DrivingPool(len(usable_cpus())) as pool:
            futures: dict[Future[Tried], Case] = {
                pool.submit(self.assess, case, judge, keeps=case.id in kept): case for case in cases
            }
            for future in as_completed(futures):
                yield futures[future], future.result()

    def assess(self, case: Case, judge: Judge | None, *, keeps: bool) -> Tried:
        """One case; a failure is an assessment."""
        artifact = self._artifacts[case.artifact_id]
        try:
            limits = limits_for(artifact, self._settings.limits)
            with CaseWorker(case.scenario.threads, limits, self._python or case.python) as worker:
                tried = self._examine(worker, case, artifact)
            return self._judged(tried, case, judge, keeps=keeps)
        except UnsupportedError as reason:
            return Tried(assessment=skipped(str(reason)))
        except ChildFailedError as failure:
            return Tried(assessment=failed(failure))
        except DataError as error:
            return Tried(assessment=failed(ChildFailedError(str(error), "")))

    def try_out(self, case: Case) -> int | None:
        """A rough latency in nanoseconds, or None where the case does not run."""
        artifact, feeding = self._artifacts[case.artifact_id], self._feedings[case.artifact_id]
        try:
            with self._fed(case, artifact, feeding) as worker:
                return _trial(worker, worker.first_inference(), self._settings.effort)
        except (UnsupportedError, ChildFailedError):
            return None

    def unrepeated(self, case: Case, known: Outputs | None = None) -> Unrepeated | None:
        """How a case answers some samples differently again, in one session or in another process.

        Args:
            case: The case; one that does not run says nothing here.
            known: What it answered in another process; None to let it answer.
        """
        try:
            first, second = self._twice(case)
            if (found := unrepeated(first, second, "the second time")) is not None:
                return found
            return unrepeated(known if known is not None else self._twice(case)[0], first, "in a fresh process")
        except (UnsupportedError, ChildFailedError, DataError):
            return None

    def _twice(self, case: Case) -> tuple[Outputs, Outputs]:
        artifact, feeding, data = self._artifacts[case.artifact_id], self._feedings[case.artifact_id], self._data
        with self._fed(case, artifact, feeding) as worker:
            return answers_twice(
                worker, feeding, data.first(), len(data.chunks[0]), case.scenario.batch_size, data.folder
            )

    @contextmanager
    def _fed(self, case: Case, artifact: ModelArtifact, feeding: Feeding) -> Iterator[CaseWorker]:
        """A worker that has loaded the model and the first samples."""
        limits, python = limits_for(artifact, self._settings.limits), self._python or case.python
        with CaseWorker(case.scenario.threads, limits, python) as worker:
            worker.start_import(case.runtime)
            worker.finish_import()
            worker.load(artifact, case.scenario.session_options(feeding.dimensions))
            worker.feed(feeding.inputs(self._data.first()), case.scenario.batch_size, self._settings.seed)
            yield worker

    def _examine(self, worker: CaseWorker, case: Case, artifact: ModelArtifact) -> Tried:
        """Memory first: answering the data set and profiling would raise the high-water mark."""
        batch_size, feeding = case.scenario.batch_size, self._feedings[case.artifact_id]
        began = time.perf_counter_ns()
        worker.start_import(case.runtime)
        imported = worker.finish_import()
        start_ns = time.perf_counter_ns() - began
        load_ns = worker.load(artifact, case.scenario.session_options(feeding.dimensions))
        worker.feed(feeding.inputs(self._data.first()), batch_size, self._settings.seed)
        try:
            first_ns = worker.first_inference()
        except ChildFailedError as failure:
            raise _explained(failure) if self._is_random else failure from None
        trial_ns = _trial(worker, first_ns, self._settings.effort)
        if not case.is_timed:
            self._refuse_slow(case, trial_ns)
        peak = worker.peak_memory_bytes()
        memory = Memory(peak_bytes=peak, before_load_bytes=imported.peak_bytes) if peak else None
        answers = collect_answers(worker, feeding, self._data, batch_size, trial_ns)
        executed = worker.operators()
        assessment = Assessment(
            status="ok",
            runtime_version=imported.version,
            memory=memory,
            operators=executed.operators,
            placement_note=executed.note,
            kernels=_counted(worker.profile(1)),
            trial_ns=trial_ns,
            load_ns=load_ns + first_ns,
            start_ns=start_ns,
        )
        return Tried(assessment=assessment, answers=answers)

    def _refuse_slow(self, case: Case, call_ns: int) -> None:
        """Raises `UnsupportedError` where a runtime that is only asked for answers would take too long for all."""
        samples, budget_s = self._data.samples, self._settings.answering_s
        sample_s = call_ns / 1e9 / case.scenario.batch_size
        if samples * sample_s > budget_s:
            raise UnsupportedError(
                f"answering {samples:,} samples would take about {samples * sample_s:,.0f} s, and this run has"
                f" {budget_s:,.0f} s for that: give --samples {max(1, int(budget_s / sample_s))}, or more --time"
            )

    def _judged(self, tried: Tried, case: Case, judge: Judge | None, *, keeps: bool) -> Tried:
        answers, artifact = tried.answers, self._artifacts[case.artifact_id]
        minimum = self._settings.minimum_agreement
        if answers is None or judge is None:
            return tried
        try:
            evaluation = judge.evaluate(answers.outputs, artifact)
            problem = judge.problem(evaluation, minimum, artifact, runtime=case.runtime)
            if problem is not None and judge.reference.repeats:
                own = self.unrepeated(case, answers.outputs)
                problem = judge.problem(evaluation, minimum, artifact, own, runtime=case.runtime)
        except BaseException:
            answers.drop()
            raise
        assessment = dataclasses.replace(
            tried.assessment, evaluation=evaluation, status="ok" if problem is None else "failed", reason=problem
        )
        if not keeps:
            answers.drop()
        return Tried(assessment=assessment, answers=answers if keeps else None)


def _explained(failure: ChildFailedError) -> ChildFailedError:
    """The failure of a call on random inputs, which may not be what the model takes; one in time is about time."""
    if isinstance(failure, NoAnswerError):
        return failure
    return type(failure)(f"{failure.reason[:MOST_BEFORE_HINT]}; {RANDOM_HINT}", failure.stderr_tail)


def _trial(worker: CaseWorker, first_ns: int, effort: Effort) -> int:
    """A rough latency: the least of the medians of a few series of calls, as many as there is time for.

    Other load that halts the process lengthens the first call or a whole series, so neither is believed alone.
    """
    found, spent_ns, likely_ns = list[int](), 0, max(first_ns, 1)
    while len(found) < TRIALS and (not found or spent_ns + likely_ns <= TRIAL_NS):
        calls = min(TRIAL_CALLS // TRIALS, max(1, TRIAL_NS // TRIALS // likely_ns))
        latencies = worker.time(calls, effort.warmup_ns).latency_ns
        spent_ns += sum(latencies)
        found.append(int(median(latencies)))
        likely_ns = max(min(found), 1)
    return min(found)


def _counted(profile: Profile | None) -> KernelCounts | None:
    if profile is None:
        return None
    counts = Counter(kernel.kind for kernel in profile.kernels)
    return KernelCounts(
        integer=counts["integer"],
        hybrid=counts["hybrid"],
        float=counts["float"],
        conversion=counts["conversion"],
        layout=counts["layout"],
    )
