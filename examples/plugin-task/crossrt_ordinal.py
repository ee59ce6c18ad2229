"""A task for ordered classes, such as grades: how far is the answer from the label?"""

from dataclasses import dataclass, replace

import numpy as np

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import MetricDefinition
from crossrt.datasets.tasks.agreement import MAX_ABS_ERROR, SAME_CLASS, with_agreement
from crossrt.datasets.tasks.closeness import answers_sha256, compare
from crossrt.datasets.tasks.options import check_options, positive_integer


@dataclass(frozen=True)
class Ordinal:
    """Scores classes by their distance; `ordinal:within=2` counts two classes away as right."""

    within: int = 1
    name = "ordinal"

    def with_options(self, options):
        check_options(self.name, options, ("within",))
        return replace(self, within=positive_integer(self.name, "within", options["within"]))

    @property
    def metrics(self):
        """The first is what the task is about; names and units here are what tables, gates and pages show."""
        near = MetricDefinition(
            name="near",
            label=f"within {self.within}",
            unit="share",
            direction="bigger_is_better",
            description=f"Share of samples whose answer is at most {self.within} classes from the label.",
            format="percent",
            judged_by="samples",
            paired_test="mcnemar",
            margin=0.001,
            worse="less accurate",
            better="more accurate",
        )
        return (near, SAME_CLASS, MAX_ABS_ERROR)

    def check(self, outputs, labels):
        if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DataError("task ordinal: one integer label per sample is expected")
        if len(outputs) != 1 or next(iter(outputs.values())).ndim != 2:
            raise DataError("task ordinal: one output (samples, classes) is expected")

    def evaluate(self, outputs, labels, reference, steps):
        answers = next(iter(outputs.values())).argmax(axis=1)
        near = np.abs(answers - labels) <= self.within
        plain = Evaluation(
            task=self.name,
            samples=len(labels),
            values={"near": float(near.mean())},
            counts={"near": int(near.sum())},
            per_sample={"near": Packed.of(near)},
            answers_sha256=answers_sha256(outputs),
        )
        if reference is None:
            return plain
        expected = next(iter(reference.values())).argmax(axis=1)
        return with_agreement(plain, compare(outputs, reference, steps), agrees=answers == expected)
