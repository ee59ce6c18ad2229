"""Whether a float file's own answers to a data set say anything, for commands that score nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError
from crossrt.datasets.opening import RANDOM, DataRequest, open_dataset
from crossrt.datasets.tasks.choosing import chance_caution
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.evaluate.answers import check_comparable, collect_answers
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import Feeding, feeding_of
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.evaluate.repeating import answers_twice, unrepeated
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.runtimes.registry import shipped_runtime_for

BATCH = 100


def reference_cautions(
    artifact: ModelArtifact,
    request: DataRequest,
    task: str | None,
    samples: int,
    dimensions: Mapping[str, int],
    folder: Path,
) -> tuple[str, ...]:
    """What must be said of a float file with which others are compared: it does not repeat itself, or is near chance.

    A file that does not run says nothing here: whoever compares with it says why. Chance is known with labels alone.

    Args:
        artifact: The float file.
        request: Which data set.
        task: What the user named, or None to infer it.
        samples: How many samples to answer at most, from the first.
        dimensions: Sizes of dynamic dimensions.
        folder: A scratch folder.
    """
    if request.reference == RANDOM:
        return ()
    found: list[str] = []
    try:
        data = RunData(open_dataset(request, artifact.inputs), folder, samples)
        with _worker(artifact) as worker:
            feeding, batch_size = _loaded(worker, artifact, data, dimensions)
            first, again = answers_twice(worker, feeding, data.first(), len(data.chunks[0]), batch_size, data.folder)
            if (changed := unrepeated(first, again, "the second time")) is not None:
                found.append(changed.caution(artifact.path.name))
            if (labels := data.labels) is None:
                return tuple(found)
            answers = collect_answers(worker, feeding, data, batch_size, 0)
        outputs = answers.outputs
        check_comparable(outputs, answers.problems)
        chosen = chosen_task(task, labels, outputs, folder).task
        caution = chance_caution(chosen, chosen.evaluate(outputs, labels, None, {}), labels)
        found += [] if caution is None else [caution]
    except (CrossrtError, ChildFailedError, UnsupportedError):
        pass  # what was found before still holds
    return tuple(found)


def _worker(artifact: ModelArtifact) -> CaseWorker:
    return CaseWorker(1, limits_for(artifact, WorkerLimits()))


def _loaded(
    worker: CaseWorker, artifact: ModelArtifact, data: RunData, dimensions: Mapping[str, int]
) -> tuple[Feeding, int]:
    """Loads the file and its first samples; how data feed it, and samples per call."""
    feeding = feeding_of(artifact, data.dataset, dimensions)
    batch_size = BATCH if artifact.batching.dimension is not None else artifact.batching.size or 1
    worker.start_import(shipped_runtime_for(artifact.format))
    worker.finish_import()
    worker.load(artifact, Scenario(batch_size=batch_size, threads=1).session_options(feeding.dimensions))
    worker.feed(feeding.inputs(data.first()), batch_size, 0)
    return feeding, batch_size
