from __future__ import annotations

import msgspec
import numpy as np
import pytest

from crossrt.core.evaluation import ClassDetails, ClassScore, Evaluation, OutputError, Packed
from crossrt.core.metric import BIGGER, SMALLER, MetricDefinition
from crossrt.reports.schema.records import Data, Distance, Report

ERROR = MetricDefinition(
    name="mae", label="MAE", unit="°C", direction=SMALLER, judged_by="samples", paired_test="paired-t", margin=0.05
)
AGREEMENT = MetricDefinition(
    name="agreement",
    label="agreement",
    unit="share",
    direction=BIGGER,
    format="percent",
    judged_by="samples",
    paired_test="mcnemar",
)


@pytest.fixture
def regression(make_result, make_report, make_numbers) -> Report:
    """Two cases of a task whose metric is in a unit of its own, and less is better."""
    results = (
        make_result(evaluation=make_numbers([0.2, 0.3])),
        make_result("int8@tflite", medians=[20_000] * 3, evaluation=make_numbers([0.4, 0.5])),
    )
    return make_report(*results, definitions=(ERROR,), task="regression")


@pytest.fixture
def random_inputs(make_result, make_report) -> Report:
    """Two cases that were fed with random numbers, each with many outputs."""

    def answers(agreeing: int) -> Evaluation:
        alike = np.arange(100) < agreeing
        return Evaluation(
            task="agreement",
            samples=100,
            values={"agreement": agreeing / 100},
            counts={"agreement": agreeing},
            per_sample={"agreement": Packed.of(alike)},
            outputs=tuple(
                OutputError(output=f"output {number}", max_abs=0.1, relative=number / 1000) for number in range(80)
            ),
        )

    results = (make_result(evaluation=answers(100)), make_result("int8@tflite", evaluation=answers(97)))
    report = make_report(*results, definitions=(AGREEMENT,), task="agreement")
    return msgspec.structs.replace(
        report,
        data=Data(name="random", fingerprint="0" * 64, samples=100, is_random=True),
        distances=(Distance(one=results[0].case, other=results[1].case, agreement=0.97, relative=0.02, max_steps=3.0),),
        dimensions={"sequence": 128},
        cautions=("the states were fed with zeros",),
    )


@pytest.fixture
def make_classes():
    """Makes the evaluation of a classification of this many classes, most of whose answers are right."""

    def make(classes: int, samples: int = 5_000, seed: int = 0) -> Evaluation:
        random = np.random.default_rng(seed)
        labels = random.integers(0, classes, samples)
        given = np.where(random.random(samples) < 0.9, labels, random.integers(0, classes, samples))
        cells, counts = np.unique(labels * classes + given, return_counts=True)
        support = np.bincount(labels, minlength=classes)
        scores = tuple(ClassScore(precision=0.9, recall=0.9, f1=0.9, support=int(number)) for number in support)
        confusion = tuple(
            (int(cell) // classes, int(cell) % classes, int(count)) for cell, count in zip(cells, counts, strict=True)
        )
        right = int((given == labels).sum())
        return Evaluation(
            task="classification",
            samples=samples,
            values={"top1": right / samples},
            counts={"top1": right},
            per_sample={"top1": Packed.of(given == labels)},
            predictions=Packed.of(given.astype(np.int32)),
            classes=ClassDetails(scores=scores, confusion=confusion),
        )

    return make
