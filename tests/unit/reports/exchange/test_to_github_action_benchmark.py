"""A report as the two files of github-action-benchmark."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.to_github_action_benchmark import FILES, github_action_files

FP32 = "mnist-cnn.fp32@ort-cpu/b1/t1"


@pytest.fixture
def entries(mixed):
    return {name: json.loads(text) for name, text in github_action_files(mixed).items()}


def test_each_metric_is_in_the_file_of_its_direction(mixed, entries):
    for direction, name in FILES.items():
        expected = {f"{each.case} {each.name}" for each in mixed.metrics if each.direction == direction}
        assert {entry["name"] for entry in entries[name]} == expected


def test_more_throughput_and_accuracy_are_better_and_less_latency(entries):
    bigger = {entry["name"].removeprefix(f"{FP32} ") for entry in entries["bigger-is-better.json"]}
    smaller = {entry["name"].removeprefix(f"{FP32} ") for entry in entries["smaller-is-better.json"]}
    assert {"throughput_per_s", "top1", "speedup_p50"} <= bigger
    assert {"latency_p50_ns", "size_bytes", "peak_memory_bytes", "slowdown_p50"} <= smaller


def test_an_entry_has_value_unit_half_of_its_interval_and_both_ends(mixed, entries):
    metric = next(each for each in mixed.metrics if (each.case, each.name) == (FP32, "latency_p50_ns"))
    entry = next(each for each in entries["smaller-is-better.json"] if each["name"] == f"{FP32} latency_p50_ns")
    assert (entry["value"], entry["unit"]) == (metric.value, "ns")
    assert float(entry["range"].removeprefix("± ")) == pytest.approx((metric.upper - metric.lower) / 2, rel=1e-5)
    assert entry["extra"].splitlines() == [
        f"95% interval {metric.lower:.6g} to {metric.upper:.6g}",
        "ort-cpu 1.0",
        "classification on test set",
        f"run {mixed.run.id}",
    ]


def test_no_interval_no_range(entries):
    size = next(each for each in entries["smaller-is-better.json"] if each["name"] == f"{FP32} size_bytes")
    assert "range" not in size
    assert "interval" not in size["extra"]


def test_the_action_can_take_every_range_apart(entries):
    """It looks for a number of at least two signs after the ±."""
    ranges = [entry["range"] for found in entries.values() for entry in found if "range" in entry]
    assert ranges
    assert all(re.fullmatch(r"± \d[\d.e+-]*", each) for each in ranges)


def test_markup_of_comments_is_not_closed_by_a_name(mixed, rename):
    text = github_action_files(rename(mixed, "x` | **<b>**"))["smaller-is-better.json"]
    assert any(entry["name"] == "x' / **<b>** size_bytes" for entry in json.loads(text))


def test_an_empty_file_is_not_made(mixed):
    sizes = tuple(each for each in mixed.metrics if each.name == "size_bytes")
    assert list(github_action_files(msgspec.structs.replace(mixed, metrics=sizes))) == ["smaller-is-better.json"]


def test_a_report_without_metrics_is_refused(unmeasured):
    with pytest.raises(ReportError, match="has no metric of any case"):
        github_action_files(unmeasured)
