"""The kernels of a call, from a worker that does nothing else."""

from __future__ import annotations

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.runtimes.kernels import Profile


def profile_file(
    artifact: ModelArtifact, runtime: str, scenario: Scenario, calls: int, limits: WorkerLimits
) -> Profile | None:
    """Loads a file and lets the runtime's profiler look on; None where the runtime cannot tell.

    Raises:
        ChildFailedError: The worker crashed, hung, or its model gave up.
    """
    with CaseWorker(scenario.threads, limits) as worker:
        worker.start_import(runtime)
        worker.finish_import()
        worker.load(artifact, scenario)
        return worker.profile(calls)
