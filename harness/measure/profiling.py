"""The kernels of a call, from a worker that does nothing else."""

from __future__ import annotations

from typing import Final

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.pythons.foreign import ForeignPython
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.protocol import SessionOptions

SHARE_OF_TIMEOUT: Final = 0.25
"""How much of the time of a step all calls may take, by the time of the first."""


def profile_file(
    artifact: ModelArtifact,
    runtime: str,
    options: SessionOptions,
    calls: int,
    limits: WorkerLimits,
    python: ForeignPython | None = None,
) -> Profile | None:
    """Loads a file and lets the runtime's profiler look on; None where the runtime cannot tell.

    One call is profiled first: of a slow model fewer calls are made than asked for.

    Raises:
        ChildFailedError: The worker crashed, hung, or its model gave up.
    """
    with CaseWorker(options.intra_op_threads, limits, python) as worker:
        worker.start_import(runtime)
        worker.finish_import()
        worker.load(artifact, options)
        one = worker.profile(1)
        if one is None or not one.call_ns:
            return one
        affordable = int(SHARE_OF_TIMEOUT * limits.timeout_s * 1e9 / one.call_ns)
        return worker.profile(min(calls, affordable)) if min(calls, affordable) > 1 else one
