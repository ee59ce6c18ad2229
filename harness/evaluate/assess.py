"""Before anything is timed: does the case run, are its answers right, how much memory, which operators.

Each case gets a process of its own. Nothing is timed here, so several run at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import agreement_problem, judge_answers
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.measure.case import Case
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.child import kill_all_children
from crossrt.harness.process.foreign_python import ForeignPython
from crossrt.reports.schema.records import Accuracy, KernelCounts, KernelShares, Memory, Status
from crossrt.runtimes.kernels import Profile

TRIAL_CALLS = 20
FEWEST_CALLS, MOST_CALLS = 8, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known of a case before it is timed.

    Attributes:
        trial_ns: A rough latency, from which the number of calls of a block is chosen.
    """

    status: Status
    reason: str | None = None
    stderr_tail: str | None = None
    runtime_version: str | None = None
    accuracy: Accuracy | None = None
    memory: Memory | None = None
    operators: tuple[str, ...] | None = None
    kernels: KernelCounts | None = None
    kernel_shares: KernelShares | None = None
    trial_ns: int = 0

    def calls_for(self, target_ns: int) -> int:
        """Calls that take about `target_ns`."""
        return calls_for(self.trial_ns, target_ns)


def calls_for(call_ns: int, target_ns: int) -> int:
    """Calls that take about `target_ns`: a power of two, so that a noisy trial seldom changes the number."""
    wanted = min(max(target_ns // max(call_ns, 1), FEWEST_CALLS), MOST_CALLS)
    return 1 << (wanted.bit_length() - 1)


def failed(failure: ChildFailedError) -> Assessment:
    """The assessment of a case that cannot be measured."""
    return Assessment(status="failed", reason=failure.reason, stderr_tail=failure.stderr_tail or None)


def skipped(reason: str) -> Assessment:
    """The assessment of a case that was never meant to run here."""
    return Assessment(status="skipped", reason=reason)


class Assessor:
    """Assesses cases against one reference, each in a fresh worker."""

    def __init__(
        self,
        artifacts: Mapping[str, ModelArtifact],
        reference: NDArray[np.float32] | None,
        settings: BenchSettings,
        workspace: Workspace,
        python: ForeignPython | None = None,
        kept: Mapping[str, Path] | None = None,
    ) -> None:
        """Where `kept` names a file for a case, its logits stay there."""
        self._artifacts = artifacts
        self._reference = reference
        self._settings = settings
        self._workspace = workspace
        self._python = python
        self._kept = kept or {}

    def assess_all(self, cases: Sequence[Case]) -> Iterator[tuple[Case, Assessment]]:
        """As many cases at once as there are processors, in the order in which they finish."""
        with ThreadPoolExecutor(len(usable_cpus())) as pool:
            futures: dict[Future[Assessment], Case] = {pool.submit(self.assess, case): case for case in cases}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                kill_all_children()
                raise

    def assess(self, case: Case) -> Assessment:
        """One case; a failure is an assessment."""
        try:
            with CaseWorker(case.scenario.threads, self._settings.limits, self._python) as worker:
                return self._examine(worker, case)
        except UnsupportedError as reason:
            return skipped(str(reason))
        except ChildFailedError as failure:
            return failed(failure)

    def _examine(self, worker: CaseWorker, case: Case) -> Assessment:
        """Memory first: evaluating and profiling would raise the high-water mark."""
        batch_size = case.scenario.batch_size
        worker.start_import(case.runtime)
        imported = worker.finish_import()
        worker.load(self._artifacts[case.artifact_id], case.scenario)
        worker.feed(self._workspace.images, batch_size, self._settings.seed)
        worker.first_run()
        trial = worker.time(TRIAL_CALLS, self._settings.effort.warmup_ns)
        memory = Memory(peak_bytes=worker.peak_memory_bytes(), before_load_bytes=imported.peak_bytes)
        kept = self._kept.get(case.id)
        accuracy = judge_answers(worker, batch_size, self._workspace, self._reference, kept)
        how = self._artifacts[case.artifact_id].quantization
        problem = agreement_problem(accuracy, self._settings.minimum_agreement, how)
        return Assessment(
            status="ok" if problem is None else "failed",
            reason=problem,
            runtime_version=imported.version,
            accuracy=accuracy,
            memory=memory,
            operators=worker.operators(),
            kernels=_counted(worker.profile(1)),
            trial_ns=int(median(trial.latency_ns)),
        )


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
