"""Does an exported float file answer like the model that it was made from?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from crossrt.core.artifact import ModelArtifact, ReferenceAnswers
from crossrt.core.errors import DataError
from crossrt.datasets.tasks.closeness import compare
from crossrt.datasets.tasks.outputs import match_answers
from crossrt.harness.build.builder import BuildRequest
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import Outputs, collect_answers, read_reference
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import feeding_of
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.runtimes.registry import shipped_runtime_for

MOST_SAMPLES = 500
CHECK_BATCH = 100
TIMEOUT_S = 600.0
LARGEST_RELATIVE_ERROR = 1e-3
"""Of `||x - x'|| / ||x||`: float32 arithmetic in another order is a hundred times below it."""


class FloatCheck:
    """Runs exported files on the first samples and compares with the source's answers."""

    def __init__(self, request: BuildRequest, folder: Path) -> None:
        self._request = request
        scratch = Path(tempfile.mkdtemp(prefix="check-", dir=folder))
        self._data = RunData(request.dataset, scratch, min(MOST_SAMPLES, request.samples))

    def check(self, artifact: ModelArtifact, reference: ReferenceAnswers) -> None:
        """Raises `ChildFailedError` where the file does not run or answers something else."""
        expected = read_reference(reference, self._data.samples)
        found = self._answers(artifact)
        try:
            names = match_answers(expected, found).names
        except DataError as error:
            raise ChildFailedError(str(error), "") from error
        matched = {ours: found[theirs] for ours, theirs in names.items()}
        for each in compare(matched, {name: expected[name] for name in matched}, {}).errors:
            if each.relative is not None and each.relative > LARGEST_RELATIVE_ERROR:
                raise ChildFailedError(
                    f"its output {each.output} differs from the source model's by {each.relative:.2g} of its size"
                    f" (at most {each.max_abs:.3g})",
                    "",
                )

    def _answers(self, artifact: ModelArtifact) -> Outputs:
        try:
            feeding = feeding_of(artifact, self._data.dataset, self._request.dimensions)
        except DataError as error:
            raise ChildFailedError(str(error), "") from error
        batch_size = CHECK_BATCH if artifact.batching.dimension else artifact.batching.size or 1
        scenario = Scenario(batch_size=min(batch_size, max(1, self._data.samples)), threads=1)
        if artifact.batching.dimension is None:
            scenario = Scenario(batch_size=batch_size, threads=1)
        with CaseWorker(1, limits_for(artifact, WorkerLimits(timeout_s=TIMEOUT_S))) as worker:
            worker.start_import(shipped_runtime_for(artifact.format))
            worker.finish_import()
            worker.load(artifact, scenario.session_options(feeding.dimensions))
            return collect_answers(worker, feeding, self._data, scenario.batch_size, 0).outputs
