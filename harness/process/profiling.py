"""The kernels of a call, from a worker that does nothing else."""

from __future__ import annotations

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.protocol import SessionOptions


def profile_file(
    artifact: ModelArtifact, runtime: str, options: SessionOptions, calls: int, limits: WorkerLimits
) -> Profile | None:
    """Loads a file and lets the runtime's profiler look on; None where the runtime cannot tell.

    Raises:
        ChildFailedError: The worker crashed, hung, or its model gave up.
    """
    with CaseWorker(options.intra_op_threads, limits) as worker:
        worker.start_import(runtime)
        worker.finish_import()
        worker.load(artifact, options)
        return worker.profile(calls)
