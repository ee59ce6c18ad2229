"""A report as Bencher Metric Format, held against its published schema."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft7Validator

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.to_bencher import as_bencher

NUMBER = {"type": "number"}
SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"value": NUMBER, "lower_value": NUMBER, "upper_value": NUMBER},
            "required": ["value"],
            "additionalProperties": False,
        },
    },
}
FP32 = "mnist-cnn.fp32@ort-cpu/b1/t1"


def test_it_is_what_bencher_publishes_as_its_schema(mixed):
    Draft7Validator(SCHEMA).validate(json.loads(as_bencher(mixed)))


def test_latency_is_in_nanoseconds_and_throughput_per_second_under_the_measures_of_bencher(mixed):
    measures = json.loads(as_bencher(mixed))[FP32]
    assert measures["latency"]["value"] == pytest.approx(50_870, rel=0.001)
    assert measures["throughput"]["value"] == pytest.approx(1e9 / measures["latency"]["value"])
    assert measures["file-size"] == {"value": 1000}


def test_intervals_are_those_of_the_report(mixed):
    metric = next(each for each in mixed.metrics if (each.case, each.name) == (FP32, "latency_p50_ns"))
    latency = json.loads(as_bencher(mixed))[FP32]["latency"]
    assert (latency["lower_value"], latency["upper_value"]) == (metric.lower, metric.upper)


def test_ends_that_are_not_known_are_left_out(make_result, make_report):
    latency = json.loads(as_bencher(make_report(make_result(medians=(50_000,)))))[FP32]["latency"]
    assert latency == {"value": pytest.approx(49_999.5)}


def test_every_metric_is_a_measure_with_a_name_that_bencher_takes(mixed):
    content = json.loads(as_bencher(mixed))
    assert sum(len(measures) for measures in content.values()) == len(mixed.metrics)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for measures in content.values() for name in measures)
    assert {"load-ns", "peak-memory-bytes", "top1"} <= content[FP32].keys()


def test_names_lose_what_moves_a_cursor(mixed, rename):
    assert "evil\x1b[31m" not in as_bencher(rename(mixed, "evil\x1b[31m\nname"))
    assert "evil[31m name" in json.loads(as_bencher(rename(mixed, "evil\x1b[31m\nname")))


def test_a_report_without_metrics_is_refused(unmeasured):
    with pytest.raises(ReportError, match="has no metric of any case"):
        as_bencher(unmeasured)


def test_metrics_of_own_tasks_are_measures(regression):
    measures = json.loads(as_bencher(regression))[FP32]
    assert measures["mae"]["value"] == pytest.approx(0.25)
    assert measures["mae"]["lower_value"] < 0.25 < measures["mae"]["upper_value"]
    assert measures["r2"] == {"value": -0.5}
