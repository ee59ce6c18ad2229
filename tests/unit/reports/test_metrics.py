"""The flat list of metrics: names, units, intervals, and what a failed case does not get."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from scipy import stats

from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.metrics import MEASURED_METRICS, derive_metrics

UNITS = {
    "latency_p50_ns": "ns",
    "latency_p90_ns": "ns",
    "latency_p99_ns": "ns",
    "throughput_per_s": "1/s",
    "load_ns": "ns",
    "first_inference_ns": "ns",
    "peak_memory_bytes": "bytes",
    "size_bytes": "bytes",
    "top1": "share",
    "macro_f1": "share",
    "agreement": "share",
    "max_abs_error": "logit",
    "speedup_p50": "ratio",
    "slowdown_p50": "ratio",
}
BIGGER = {"throughput_per_s", "top1", "macro_f1", "agreement", "speedup_p50"}
TIMES = {"latency_p50_ns", "latency_p90_ns", "latency_p99_ns", "latency_mean_ns", "throughput_per_s", "load_ns"}
TIMES |= {"first_inference_ns", "speedup_p50", "slowdown_p50"}


@pytest.fixture
def full_report(make_result, make_round, make_report):
    """A report whose rounds hold enough calls for every percentile."""
    rounds = [make_round(index, 50_000 + index, calls=700) for index in range(3)]
    return make_report(make_result(rounds=tuple(rounds)), make_result("int8-qdq@ort-cpu", rounds=tuple(rounds)))


def by_name(report, subject="fp32@ort-cpu"):
    return {metric.name: metric for metric in report.metrics if f".{subject}/" in metric.case}


def test_every_case_has_every_metric_with_its_unit(full_report):
    for subject in ("fp32@ort-cpu", "int8-qdq@ort-cpu"):
        found = {name: metric.unit for name, metric in by_name(full_report, subject).items()}
        assert found == UNITS | {"latency_mean_ns": "ns"}


def test_every_metric_says_which_way_is_better(full_report):
    found = {metric.name for metric in full_report.metrics if metric.direction == "bigger_is_better"}
    assert found == BIGGER


def test_every_metric_is_finite_and_inside_its_interval(full_report, sample):
    for metric in (*full_report.metrics, *sample.metrics):
        assert math.isfinite(metric.value)
        if metric.lower is not msgspec.UNSET:
            assert metric.lower <= metric.value <= metric.upper or metric.lower == pytest.approx(metric.upper)


def test_a_name_occurs_once_per_case(full_report):
    names = [(metric.case, metric.name) for metric in full_report.metrics]
    assert len(names) == len(set(names))


def test_one_round_leaves_the_bounds_out_of_the_json(make_result, make_report):
    metric = by_name(make_report(make_result(medians=[50_000])))["latency_p50_ns"]
    assert msgspec.json.decode(msgspec.json.encode(metric)).keys() == {"case", "name", "value", "unit", "direction"}


def test_no_metric_holds_null(make_result, make_report):
    report = make_report(make_result(medians=[50_000]), make_result("int8-qdq@ort-cpu", medians=[40_000]))
    assert b"null" not in msgspec.json.encode(report.metrics)


def test_percentiles_are_left_out_where_any_round_holds_too_few_calls(make_result, make_round, make_report):
    rounds = (make_round(0, 50_000, calls=700), make_round(1, 50_000, calls=63))
    found = by_name(make_report(make_result(rounds=rounds)))
    assert "latency_p50_ns" in found
    assert not {"latency_p90_ns", "latency_p99_ns"} & found.keys()


def test_p50_is_the_geometric_mean_of_the_rounds_medians(make_result, make_round, make_report):
    rounds = (make_round(0, 10_000, calls=71), make_round(1, 40_000, calls=71))
    assert by_name(make_report(make_result(rounds=rounds)))["latency_p50_ns"].value == pytest.approx(20_000)


def test_throughput_counts_the_samples_of_a_batch(make_result, make_report):
    found = by_name(make_report(make_result(batch_size=32)))
    latency, throughput = found["latency_p50_ns"], found["throughput_per_s"]
    assert throughput.value == pytest.approx(32e9 / latency.value)
    assert (throughput.lower, throughput.upper) == pytest.approx((32e9 / latency.upper, 32e9 / latency.lower))


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_case_without_result_has_no_times(make_result, make_report, status):
    found = by_name(make_report(make_result(status=status, reason="it crashed")))
    assert not TIMES & found.keys()


def test_a_failed_case_keeps_what_was_found_before(make_result, make_report):
    found = by_name(make_report(make_result(status="failed", reason="it crashed")))
    assert found.keys() >= {"size_bytes", "top1", "peak_memory_bytes"}


def test_a_case_that_never_ran_has_no_accuracy_and_no_memory(make_result, make_report):
    result = make_result(status="skipped", reason="not installed", rounds=(), evaluation=None, memory=None)
    assert by_name(make_report(result)).keys() == {"size_bytes"}


def test_size_is_the_artifacts(make_result, make_report):
    report = make_report(make_result(), make_result("int8-qdq@ort-cpu"))
    assert by_name(report)["size_bytes"].value == 1000
    assert by_name(report, "int8-qdq@ort-cpu")["size_bytes"].value == 2000


def test_agreement_is_left_out_without_a_reference(make_result, make_report, make_evaluation):
    found = by_name(make_report(make_result(evaluation=make_evaluation(reference=False))))
    assert not {"agreement", "max_abs_error"} & found.keys()


def test_speedup_is_paired_by_round(make_result, make_report):
    baseline = make_result(medians=[10_000, 100_000, 30_000])
    twice_as_fast = make_result("int8-qdq@ort-cpu", medians=[5_000, 50_000, 15_000])
    speedup = by_name(make_report(baseline, twice_as_fast), "int8-qdq@ort-cpu")["speedup_p50"]
    assert (speedup.lower, speedup.upper) == pytest.approx((2.0, 2.0), rel=1e-3)


def test_speedup_pairs_rounds_by_index_not_by_place(make_result, make_round, make_report):
    baseline = make_result(rounds=tuple(make_round(index, 10_000 * (index + 1)) for index in range(3)))
    other = make_result("int8-qdq@ort-cpu", rounds=(make_round(2, 15_000), make_round(1, 10_000)))
    speedup = by_name(make_report(baseline, other), "int8-qdq@ort-cpu")["speedup_p50"]
    assert speedup.value == pytest.approx(2.0, rel=1e-3)


def test_speedup_needs_a_shared_round(make_result, make_round, make_report):
    other = make_result("int8-qdq@ort-cpu", rounds=(make_round(9, 10_000),))
    assert "speedup_p50" not in by_name(make_report(make_result(), other), "int8-qdq@ort-cpu")


def test_speedup_is_relative_to_the_baseline_of_the_same_batch_size(make_result, make_report):
    report = make_report(
        make_result(medians=[10_000]),
        make_result(batch_size=32, medians=[80_000]),
        make_result("int8-qdq@ort-cpu", batch_size=32, medians=[40_000]),
    )
    speedup = by_name(report, "int8-qdq@ort-cpu")["speedup_p50"]
    assert speedup.value == pytest.approx(2.0, rel=1e-3)


def test_baseline_is_exactly_as_fast_as_itself(make_result, make_report):
    speedup = by_name(make_report(make_result()))["speedup_p50"]
    assert (speedup.value, speedup.lower, speedup.upper) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_baseline_that_was_never_timed_gives_no_speedups(make_result, make_report, status):
    baseline = make_result(status=status, reason="not installed", rounds=())
    assert "speedup_p50" not in by_name(make_report(baseline, make_result("int8-qdq@ort-cpu")), "int8-qdq@ort-cpu")


def test_a_baseline_that_failed_half_way_gives_no_speedups(make_result, make_report):
    baseline = make_result(status="failed", reason="killed by signal 9", medians=[50_000])
    assert "speedup_p50" not in by_name(make_report(baseline, make_result("int8-qdq@ort-cpu")), "int8-qdq@ort-cpu")


def test_metrics_do_not_depend_on_the_order_of_results(full_report, sample):
    again = derive_metrics(full_report.results[::-1], full_report.artifacts, sample.run.settings.baseline, TASK_METRICS)
    assert {(m.case, m.name): m for m in again} == {(m.case, m.name): m for m in full_report.metrics}


def test_the_fastest_case_of_a_scenario_has_no_slowdown(make_result, make_report):
    report = make_report(make_result(medians=[20_000]), make_result("int8-qdq@ort-cpu", medians=[10_000]))
    assert by_name(report, "int8-qdq@ort-cpu")["slowdown_p50"].value == 1.0
    assert by_name(report)["slowdown_p50"].value == pytest.approx(2.0, rel=1e-3)


def test_slowdown_is_paired_by_round(make_result, make_report):
    slow = make_result(medians=[20_000, 200_000, 60_000])
    report = make_report(slow, make_result("int8-qdq@ort-cpu", medians=[10_000, 100_000, 30_000]))
    slowdown = by_name(report)["slowdown_p50"]
    assert (slowdown.lower, slowdown.upper) == pytest.approx((2.0, 2.0), rel=1e-3)


def test_a_failed_case_is_not_the_fastest(make_result, make_report):
    failed = make_result(status="failed", reason="crashed", medians=[1_000, 1_000])
    report = make_report(failed, make_result("int8-qdq@ort-cpu", medians=[10_000, 11_000]))
    assert by_name(report, "int8-qdq@ort-cpu")["slowdown_p50"].value == 1.0


def test_batch_sizes_have_fastest_cases_of_their_own(make_result, make_report):
    report = make_report(make_result(medians=[10_000]), make_result(batch_size=32, medians=[90_000]))
    assert [metric.value for metric in report.metrics if metric.name == "slowdown_p50"] == [1.0, 1.0]


def test_every_metric_has_one_definition_and_its_unit(full_report):
    names = [definition.name for definition in MEASURED_METRICS]
    assert len(names) == len(set(names))
    defined = {each.name: each for each in full_report.definitions}
    for metric in full_report.metrics:
        assert (metric.unit, metric.direction) == (defined[metric.name].unit, defined[metric.name].direction)


def test_a_score_that_the_task_does_not_define_is_refused(make_result, make_report):
    with pytest.raises(ReportError, match="the task classification scores agreement, macro_f1, max_abs_error, which"):
        make_report(make_result(), definitions=TASK_METRICS[:1])


def test_a_score_that_is_not_finite_is_left_out(make_result, make_report, make_evaluation):
    evaluation = make_evaluation()
    evaluation = msgspec.structs.replace(evaluation, values={**evaluation.values, "max_abs_error": math.inf})
    found = by_name(make_report(make_result(evaluation=evaluation)))
    assert "max_abs_error" not in found
    assert "top1" in found


def test_numbers_of_samples_give_an_interval_and_other_means_do_not(make_result, make_report, make_numbers):
    definition = MetricDefinition(
        name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t"
    )
    errors = np.random.default_rng(0).random(100)
    expected = stats.t.interval(0.95, 99, errors.mean(), stats.sem(errors))
    evaluation = make_numbers(errors)
    metric = by_name(make_report(make_result(evaluation=evaluation), definitions=(definition,)))["mae"]
    assert (metric.lower, metric.upper) == pytest.approx(expected, rel=1e-5)
    of_squares = msgspec.structs.replace(evaluation, values={"mae": 7.0})
    metric = by_name(make_report(make_result(evaluation=of_squares), definitions=(definition,)))["mae"]
    assert (metric.value, metric.lower) == (7.0, msgspec.UNSET)
