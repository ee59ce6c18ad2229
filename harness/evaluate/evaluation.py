"""How an artifact answers on the shipped runtime of its format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact
from crossrt.harness.evaluate.answers import judge_answers
from crossrt.harness.evaluate.workspace import Workspace
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.reports.schema.records import Accuracy
from crossrt.runtimes.registry import SHIPPED

CHECK_BATCH = 100
TIMEOUT_S = 600.0
"""LiteRT's kernels of int16x8 take more than a minute for all digits on a busy machine."""


def evaluate_artifact(artifact: ModelArtifact, workspace: Workspace, reference: NDArray[np.float32] | None) -> Accuracy:
    """Accuracy over the test digits; raises `ChildFailedError` where the artifact does not run."""
    runtime = next(name for name, shipped in SHIPPED.items() if artifact.format in shipped.formats)
    with CaseWorker(1, WorkerLimits(timeout_s=TIMEOUT_S)) as worker:
        worker.start_import(runtime)
        worker.finish_import()
        worker.load(artifact, Scenario(batch_size=CHECK_BATCH, threads=1))
        return judge_answers(worker, CHECK_BATCH, workspace, reference)
