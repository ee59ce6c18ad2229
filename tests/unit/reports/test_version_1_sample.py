"""A report that an early crossrt wrote stays readable, and its samples still give its metrics."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.metrics import derive_metrics

REDEFINED = ("speedup_p50", "slowdown_p50")  # since: paired block by block, no longer by the medians of rounds


def numbers(metrics):
    return {
        (metric.case, metric.name): [
            each for each in (metric.value, metric.lower, metric.upper) if each is not msgspec.UNSET
        ]
        for metric in metrics
    }


def test_sample_holds_three_cases_of_two_runtimes(sample):
    assert [result.case for result in sample.results] == [
        "mnist-cnn.fp32@ort-cpu/b1/t1",
        "mnist-cnn.int8-qdq@ort-cpu/b1/t1",
        "mnist-cnn.fp32@tflite/b1/t1",
    ]


def test_sample_gives_the_metrics_that_it_stores(sample):
    derived = numbers(derive_metrics(sample.results, sample.artifacts, sample.run.settings.baseline, TASK_METRICS))
    stored = numbers(sample.metrics)
    assert derived.keys() >= stored.keys()
    stored = {key: value for key, value in stored.items() if key[1] not in REDEFINED}
    assert [value for key in stored for value in derived[key]] == pytest.approx(
        [value for key in stored for value in stored[key]]
    )


def test_units_and_directions_of_the_sample_are_still_the_same(sample):
    derived = derive_metrics(sample.results, sample.artifacts, sample.run.settings.baseline, TASK_METRICS)
    described = {(metric.case, metric.name): (metric.unit, metric.direction) for metric in derived}
    for metric in sample.metrics:
        assert described[metric.case, metric.name] == (metric.unit, metric.direction)


def test_confusion_matrices_of_the_sample_add_up(sample):
    for evaluation in (result.evaluation for result in sample.results):
        cells = evaluation.classes.confusion
        assert sum(count for _, _, count in cells) == evaluation.samples == 10_000
        assert sum(count for true, given, count in cells if true == given) == evaluation.counts["top1"]
        supports = [sum(count for true, _, count in cells if true == index) for index in range(10)]
        assert supports == [score.support for score in evaluation.classes.scores]


def test_artifacts_of_the_sample_carry_no_path(sample_path):
    assert b'"path"' not in sample_path.read_bytes()
