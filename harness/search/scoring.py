"""How candidates answer one part of the samples, beside the float model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from crossrt.analysis.search.result import Loss
from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import SMALLER, MetricDefinition
from crossrt.datasets.classes import classes_of
from crossrt.datasets.protocol import Dataset
from crossrt.datasets.tasks.choosing import check_class_names
from crossrt.harness.errors import HarnessError
from crossrt.harness.evaluate.answers import check_comparable
from crossrt.harness.evaluate.assess import Assessor
from crossrt.harness.evaluate.feeding import Feeding, feeding_of
from crossrt.harness.evaluate.hosted_task import chosen_task
from crossrt.harness.evaluate.judge import Judge, Reference
from crossrt.harness.evaluate.run_data import RunData
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.settings import BenchSettings
from crossrt.reports.statistics.paired import paired_change, tango_interval
from crossrt.runtimes.registry import shipped_runtime_for

ALPHA: Final = 0.025
"""Of one judgement: the chance that a file loses more than the bound says."""

STRICT_ALPHA: Final = 0.005
"""Of the choice on the samples of the search: what only just holds there often does not on others."""

ANSWER_BATCH: Final = 100


class UnscoredError(Exception):
    """A candidate does not run or answers nothing that can be scored; the message is the reason."""


class Scorer:
    """One part of the samples, answered by the float model."""

    def __init__(self, dataset: Dataset, original: ModelArtifact, settings: BenchSettings, folder: Path) -> None:
        """Answers the part in float.

        Raises:
            HarnessError: The float model does not run, or its task has no samples to pair.
            DataError: Labels do not fit the task.
        """
        folder.mkdir()
        self.data = RunData(dataset, folder, None)
        self._settings, self._original = settings, original
        self._artifacts: dict[str, ModelArtifact] = {}
        self._feedings: dict[str, Feeding] = {}
        self._assessor = Assessor(self._artifacts, self._feedings, self.data, settings)
        began = time.monotonic()
        tried = self._assessor.assess(self._case(original), None, keeps=True)
        if tried.answers is None:
            raise HarnessError(f"{original.path.name} does not run: {tried.assessment.reason}")
        outputs = tried.answers.outputs
        check_comparable(outputs, tried.answers.problems)
        task = chosen_task(settings.subject.task, self.data.labels, outputs, folder).task
        task.check(outputs, self.data.labels)
        check_class_names(task, classes_of(self.data.dataset), outputs, self.data.labels)
        self.judge = Judge(task, self.data.labels, Reference(outputs=outputs, description="the float model"))
        self.baseline: Evaluation = self.judge.evaluate(outputs, original)
        self.metric = _paired(task.name, task.metrics, self.baseline)
        self.seconds = time.monotonic() - began

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.data.samples

    def score(self, artifact: ModelArtifact, alpha: float = ALPHA) -> tuple[Loss, Loss]:
        """The loss with its bound at `alpha`, and with the strict one; raises `UnscoredError`."""
        case = self._case(artifact)
        assessment = self._assessor.assess(case, self.judge, keeps=False).assessment
        del self._artifacts[case.artifact_id], self._feedings[case.artifact_id]
        if assessment.evaluation is None:
            raise UnscoredError(assessment.reason or assessment.status)
        found = [loss_of(self.baseline, assessment.evaluation, self.metric, each) for each in (alpha, STRICT_ALPHA)]
        return found[0], found[1]

    def least_upper(self, alpha: float) -> float:
        """The bound of a file that answers every sample as well as the float model: none is lower without gains."""
        if self.metric.paired_test != "mcnemar":
            return 0.0
        return -tango_interval(0, 0, self.samples, alpha)[0]

    def feeding(self, artifact: ModelArtifact) -> Feeding:
        """How the part feeds a file."""
        return feeding_of(artifact, self.data.dataset, self._settings.subject.dimensions)

    def _case(self, artifact: ModelArtifact) -> Case:
        self._artifacts[artifact.id] = artifact
        self._feedings[artifact.id] = self.feeding(artifact)
        batching = artifact.batching
        size = min(ANSWER_BATCH, self.samples) if batching.dimension else batching.size or 1
        return case_of(artifact, Scenario(batch_size=size, threads=self._settings.threads))


def case_of(artifact: ModelArtifact, scenario: Scenario) -> Case:
    """A file on the runtime that ships for its format."""
    return Case(
        model=artifact.model,
        variant=artifact.variant,
        format=artifact.format,
        runtime=shipped_runtime_for(artifact.format),
        scenario=scenario,
    )


def _paired(task: str, metrics: tuple[MetricDefinition, ...], baseline: Evaluation) -> MetricDefinition:
    """The first metric, which has to say what each sample contributes."""
    metric = next(iter(metrics), None)
    if metric is None or metric.paired_test is None or metric.name not in baseline.per_sample:
        raise DataError(
            f"the task {task} does not say what each sample contributes to its first metric, so that no loss can be"
            " bounded: choose another with --task"
        )
    return metric


def loss_of(baseline: Evaluation, current: Evaluation, metric: MetricDefinition, alpha: float) -> Loss:
    """What is lost, with its one-sided upper bound: Tango's score interval, or Student's t on differences.

    Raises:
        UnscoredError: The two cannot be paired.
    """
    change = paired_change(baseline, current, metric, alpha)
    if change is None:
        raise UnscoredError(f"{metric.label} cannot be compared sample by sample")
    is_smaller = metric.direction == SMALLER
    return Loss(
        value=current.values[metric.name],
        loss=change.change if is_smaller else -change.change,
        upper=change.upper if is_smaller else -change.lower,
        confidence=1 - alpha,
        samples=change.samples,
        changed=None if change.broken is None or change.fixed is None else change.broken + change.fixed,
    )
