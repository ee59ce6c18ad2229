"""How model files answer corrupted images, beside the float model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.corruption import CORRUPTIONS, STRENGTHS, Layout, corrupted, layout_of
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import CrossrtError, DataError
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.protocol import Arrays, Dataset
from crossrt.datasets.tasks.agreement import agreement_definition
from crossrt.datasets.tasks.choosing import chance_caution
from crossrt.datasets.tasks.outputs import match_answers
from crossrt.datasets.tasks.protocol import Task
from crossrt.harness.errors import ChildFailedError, HarnessError
from crossrt.harness.evaluate.answers import Outputs, check_comparable
from crossrt.harness.evaluate.assess import limits_for
from crossrt.harness.evaluate.feeding import Feeding, feeding_of
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.evaluate.judge import steps_of
from crossrt.harness.measure.case import Scenario
from crossrt.harness.measure.settings import Subject, WorkerLimits
from crossrt.harness.process.affinity import usable_cpus
from crossrt.harness.process.case_worker import CaseWorker, UnsupportedError
from crossrt.harness.process.pool import DrivingPool
from crossrt.harness.run.prepare import Opened
from crossrt.reports.text.progress import Display
from crossrt.runtimes.registry import shipped_runtime_for

CLEAN: Final = "as they are"
BATCH: Final = 100
MOST_BYTES: Final = 512 * 2**20
"""What the samples may take in memory; they are held twice, as they are and corrupted."""

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """How files answered.

    Attributes:
        samples: How many samples of each set.
        metric: What is compared, sample by sample.
        scores: By artifact id and kind of corruption: what each sample came to, `(strengths, samples)`; `CLEAN` has
            one strength.
        baseline: Id of the artifact that the others are compared with.
        cautions: What speaks against believing it: data, or a baseline near chance on clean samples.
    """

    samples: int
    metric: MetricDefinition
    scores: Mapping[str, Mapping[str, Scores]]
    baseline: str
    cautions: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Samples of a data set, and which of its arrays are images."""

    arrays: Arrays
    layouts: Mapping[str, Layout]

    def corrupted(self, kind: str, strength: int, seed: int) -> Arrays:
        """The same samples with every image corrupted."""
        changed = {
            name: corrupted(
                self.arrays[name],
                kind,
                strength,
                seed,
                layout=layout,
                value_range=(float(self.arrays[name].min()), float(self.arrays[name].max())),
            )
            for name, layout in self.layouts.items()
        }
        return {**self.arrays, **changed}


def read_images(dataset: Dataset, samples: int, layout: Layout | None) -> Images:
    """The first samples of a data set, as many as memory has room for.

    Raises:
        DataError: None of its arrays holds images, or it cannot be told where their channels are.
    """
    layouts, problems = {}, []
    for name, spec in dataset.inputs.items():
        if name in dataset.shared:
            continue
        sizes = [size for size in spec.shape if isinstance(size, int)]
        try:
            layouts[name] = layout_of(sizes, spec.dtype, layout)
        except DataError as error:
            problems.append(f"{name}: {error}")
    if not layouts:
        raise DataError(f"{dataset.name} cannot be corrupted: {'; '.join(problems)}")
    size = sum(each.nbytes for each in dataset.feeds([0]).values())
    count = min(samples, len(dataset), max(2, MOST_BYTES // max(1, size)))
    return Images(arrays=dataset.feeds(range(count)), layouts=layouts)


def run_robustness(
    artifacts: Sequence[ModelArtifact],
    opened: Opened,
    subject: Subject,
    samples: int,
    seed: int,
    layout: Layout | None,
    display: Display,
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008 - frozen
) -> Robustness:
    """Evaluates files, the first of which is the baseline, on samples and on corrupted ones; a failing one is left out.

    Raises:
        DataError: The data are not images, or their labels fit no task.
        HarnessError: The baseline cannot be run.
    """
    images = read_images(opened.data.dataset, samples, layout)
    display.phase("corrupting images", 1 + len(CORRUPTIONS) * len(STRENGTHS))
    with ExitStack() as stack, DrivingPool(len(usable_cpus())) as pool:
        field = _Field(artifacts, opened, subject, pool, display, limits)
        field.open(stack)
        for kind, arrays in _sets(images, seed):
            field.answer(kind, arrays)
            display.step(kind)
    return field.result()


def _sets(images: Images, seed: int) -> Iterator[tuple[str, Arrays]]:
    yield CLEAN, images.arrays
    for kind in CORRUPTIONS:
        for strength in STRENGTHS:
            yield kind, images.corrupted(kind, strength, seed)


@dataclass(frozen=True, slots=True)
class _Runner:
    """A file that is loaded and waits for samples."""

    artifact: ModelArtifact
    feeding: Feeding
    worker: CaseWorker
    batch_size: int


class _Field:
    """All files, and what they answered so far."""

    def __init__(
        self,
        artifacts: Sequence[ModelArtifact],
        opened: Opened,
        subject: Subject,
        pool: DrivingPool,
        display: Display,
        limits: WorkerLimits,
    ) -> None:
        self._artifacts, self._subject = artifacts, subject
        self._dataset, self._folder = opened.data.dataset, opened.folder
        self._pool, self._display, self._limits = pool, display, limits
        self._runners: dict[str, _Runner] = {}
        self._scores: dict[str, dict[str, list[Scores]]] = {}
        self._baseline = artifacts[0].id
        self._task: Task | None = None
        self._metric: MetricDefinition | None = None
        self._samples = 0
        self._cautions = [*opened.cautions, *opened.warnings]

    def open(self, stack: ExitStack) -> None:
        """Loads every file; one that cannot be loaded is a remark."""
        for artifact in self._artifacts:
            try:
                self._runners[artifact.id] = self._opened(artifact, stack)
            except (ChildFailedError, UnsupportedError, CrossrtError) as error:
                self._drop(artifact.id, error)

    def _opened(self, artifact: ModelArtifact, stack: ExitStack) -> _Runner:
        feeding = feeding_of(artifact, self._dataset, self._subject.dimensions)
        batch_size = BATCH if artifact.batching.dimension is not None else artifact.batching.size or 1
        worker = stack.enter_context(CaseWorker(1, limits_for(artifact, self._limits)))
        worker.start_import(shipped_runtime_for(artifact.format))
        worker.finish_import()
        worker.load(artifact, Scenario(batch_size=batch_size, threads=1).session_options(feeding.dimensions))
        return _Runner(artifact, feeding, worker, batch_size)

    def _drop(self, name: str, error: Exception) -> None:
        self._runners.pop(name, None)
        self._scores.pop(name, None)
        if name == self._baseline:
            raise HarnessError(f"{name}, with which the others are compared, cannot be run: {error}") from error
        self._display.remark(f"  {name}: left out: {error}")

    def answer(self, kind: str, arrays: Arrays) -> None:
        """Every file answers one set of samples."""
        with tempfile.TemporaryDirectory(prefix="set-", dir=self._folder) as name:
            folder = Path(name)
            files = _saved(arrays, folder)
            self._samples = max(len(each) for key, each in arrays.items() if key not in self._dataset.shared)
            futures: dict[str, Future[Outputs]] = {
                key: self._pool.submit(_outputs, runner, files, self._samples, folder / str(number))
                for number, (key, runner) in enumerate(self._runners.items())
            }
            reference: Outputs = {}
            for key, future in futures.items():
                try:
                    outputs = future.result()
                    reference = outputs if key == self._baseline else reference
                    scores = self._scored(key, outputs, reference)
                except (ChildFailedError, CrossrtError) as error:
                    self._drop(key, error)
                else:
                    self._scores.setdefault(key, {}).setdefault(kind, []).append(scores)

    def _scored(self, name: str, outputs: Outputs, reference: Outputs) -> Scores:
        """What each sample came to, by the task's own metric where it has one for each sample, else by agreement."""
        labels = self._labels
        if self._task is None:
            self._task = chosen_task(self._subject.task, labels, outputs, self._folder).task
            if labels is not None:  # the baseline's answers to clean samples come first
                own = self._task.evaluate(outputs, labels, None, {})
                self._cautions += filter(None, [chance_caution(self._task, own, labels)])
        names = match_answers(reference, outputs).names
        renamed = {ours: outputs[theirs] for ours, theirs in names.items()}
        steps = steps_of(self._runners[name].artifact)
        known = {ours: steps[theirs] for ours, theirs in names.items() if theirs in steps}
        found = self._task.evaluate(renamed, labels, {each: reference[each] for each in renamed}, known)
        if self._metric is None:
            self._metric = _metric_of(self._task, found.per_sample)
        return np.asarray(found.per_sample[self._metric.name].unpack(), dtype=np.float64)

    @property
    def _labels(self) -> NDArray[Any] | None:
        labels = self._dataset.labels
        return None if labels is None else labels[: self._samples]

    def result(self) -> Robustness:
        """How all files answered that answered everything."""
        assert self._metric is not None
        scores = {name: {kind: np.stack(each) for kind, each in found.items()} for name, found in self._scores.items()}
        return Robustness(
            samples=self._samples,
            metric=self._metric,
            scores=scores,
            baseline=self._baseline,
            cautions=tuple(self._cautions),
        )


def _metric_of(task: Task, per_sample: Mapping[str, object]) -> MetricDefinition:
    first = task.metrics[0]
    if first.name in per_sample:
        return first
    return next((each for each in task.metrics if each.name == "agreement"), agreement_definition())


def _saved(arrays: Arrays, folder: Path) -> dict[str, Path]:
    found = {name: folder / f"samples-{number}.npy" for number, name in enumerate(arrays)}
    for name, path in found.items():
        values = arrays[name]
        np.save(path, values.astype(str) if values.dtype == object else values, allow_pickle=False)
    return found


def _outputs(runner: _Runner, files: Mapping[str, Path], samples: int, folder: Path) -> Outputs:
    folder.mkdir()
    found = runner.worker.evaluate(runner.feeding.inputs(files), samples, runner.batch_size, folder)
    outputs = {
        name: np.load(folder / f"{place}.npy", allow_pickle=False)
        for place, name in enumerate(found.outputs)
        if name not in found.problems
    }
    check_comparable(outputs, found.problems)
    return outputs
