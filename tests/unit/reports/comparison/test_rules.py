from __future__ import annotations

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.definitions import MEASURED_METRICS
from crossrt.reports.verdicts.comparison.rules import check_rules, margin_for, parse_rule

DEFINITIONS = {each.name: each for each in (*TASK_METRICS, *MEASURED_METRICS)}


@pytest.mark.parametrize(
    ("text", "cases", "metrics", "margin"),
    [
        ("latency_p50_ns=3%", "*", "latency_p50_ns", 0.03),
        ("latency_*=3", "*", "latency_*", 0.03),
        ("int8*:top1=0.2%", "int8*", "top1", 0.002),
        ("top1=0.2pp", "*", "top1", 0.002),
        ("load_ns=off", "*", "load_ns", None),
    ],
)
def test_a_rule_is_written_like_this(text, cases, metrics, margin):
    rule = parse_rule(text)
    assert (rule.cases, rule.metrics, rule.margin) == (cases, metrics, margin)


@pytest.mark.parametrize(
    "text", ["", "3%", "latency_p50_ns", "latency_p50_ns=-3%", "latency_p50_ns=nan", "top1=5000%", "top1=1.2.3"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ReportError, match="the margin"):
        parse_rule(text)


@pytest.mark.parametrize("name", ["no_such", "speedup_p50"])
def test_a_metric_that_cannot_be_judged_is_refused(name):
    with pytest.raises(ReportError, match=f"'{name}' names no metric that can be judged; available: top1,"):
        check_rules([parse_rule(f"{name}=3%")], DEFINITIONS.values())


def test_the_last_rule_that_fits_counts(make_result):
    rules = (parse_rule("latency_p50_ns=3%"), parse_rule("int8-*:latency_p50_ns=9%"))
    p50 = DEFINITIONS["latency_p50_ns"]
    assert margin_for(rules, make_result("int8-qdq@ort-cpu"), p50) == 0.09
    assert margin_for(rules, make_result("fp32@ort-cpu"), p50) == 0.03


def test_without_a_rule_the_metric_has_its_own_margin(make_result):
    definition = msgspec.structs.replace(DEFINITIONS["top1"], margin=0.07)
    assert margin_for((), make_result(), definition) == 0.07
    assert margin_for((parse_rule("top1=off"),), make_result(), definition) is None


def test_tails_and_means_are_not_judged_by_default(make_result):
    judged = {name for name, each in DEFINITIONS.items() if margin_for((), make_result(), each) is not None}
    assert judged == {
        "latency_p50_ns",
        "load_ns",
        "first_inference_ns",
        "integer_kernels",
        "float_kernels",
        "peak_memory_bytes",
        "size_bytes",
        "top1",
        "agreement",
    }
