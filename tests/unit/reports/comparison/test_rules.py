from __future__ import annotations

import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.verdicts.comparison.rules import DEFAULT_RULES, METRICS, margin_for, parse_rule

CASE = "mnist-cnn.int8-qdq@ort-cpu/b1/t1"


@pytest.mark.parametrize(
    ("text", "cases", "metrics", "margin"),
    [
        ("latency_p50_ns=3%", "*", "latency_p50_ns", 0.03),
        ("latency_*=3", "*", "latency_*", 0.03),
        ("int8*:top1=0.2%", "int8*", "top1", 0.002),
        ("load_ns=off", "*", "load_ns", None),
    ],
)
def test_a_rule_is_written_like_this(text, cases, metrics, margin):
    rule = parse_rule(text)
    assert (rule.cases, rule.metrics, rule.margin) == (cases, metrics, margin)


@pytest.mark.parametrize(
    "text",
    ["", "3%", "latency_p50_ns", "latency_p50_ns=-3%", "latency_p50_ns=nan", "no_such=3%", "top1=5000%", "top1=1.2.3"],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ReportError, match="the margin"):
        parse_rule(text)


def test_the_last_rule_that_fits_counts():
    rules = (*DEFAULT_RULES, parse_rule("latency_p50_ns=3%"), parse_rule("int8-*:latency_p50_ns=9%"))
    assert margin_for(rules, CASE, "latency_p50_ns") == 0.09
    assert margin_for(rules, CASE.replace("int8-qdq", "fp32"), "latency_p50_ns") == 0.03


def test_tails_and_means_are_not_judged_by_default():
    judged = {name for name in METRICS if margin_for(DEFAULT_RULES, CASE, name) is not None}
    assert judged == {
        "latency_p50_ns",
        "load_ns",
        "first_run_ns",
        "integer_kernels",
        "float_kernels",
        "peak_memory_bytes",
        "size_bytes",
        "top1",
        "agreement_fp32",
    }
