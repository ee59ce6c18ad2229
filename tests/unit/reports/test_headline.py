"""The first sentences of a report."""

from __future__ import annotations

import re

import msgspec

from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.scenarios import ColdStart
from crossrt.reports.schema.upgrade import TASK_METRICS
from crossrt.reports.statistics.paired import PairedChange
from crossrt.reports.tables.headline import change_text, headline


def test_fastest_case_is_named_with_its_price(make_result, make_report):
    report = make_report(
        make_result(medians=[90_000, 90_500, 89_500]),
        make_result("int8-qdq@ort-cpu", medians=[30_000, 30_100, 29_900]),
    )
    first, counts = headline(report)
    assert first.startswith(
        "Batch 1, 1 thread: int8-qdq@ort-cpu is the fastest, 30.0 µs a call; 3.00 times as fast as "
    )
    assert re.search(r"fp32@ort-cpu \[2\.\d+, 3\.\d+\], top-1 \+0\.00 pp \[-3\.\d\d, \+3\.\d\d\]\.$", first)
    assert counts == "2 of 2 cases measured."


def test_indistinguishable_cases_share_the_place(make_result, make_report):
    rounds = [30_000, 31_000, 29_000, 30_500]
    report = make_report(make_result(medians=rounds), make_result("int8-qdq@ort-cpu", medians=rounds[::-1]))
    assert "(statistically indistinguishable from int8-qdq@ort-cpu)" in headline(report)[0]


def test_failures_and_interruptions_are_told(make_result, make_report):
    failed = make_result("int8-qdq@ort-cpu", status="failed", reason="crashed", rounds=())
    report = make_report(make_result(), failed, status="interrupted")
    assert headline(report)[-1].startswith("1 of 2 cases measured, 1 failed; the run was interrupted")


def test_every_batch_size_has_its_fastest(make_result, make_report):
    report = make_report(make_result(), make_result(batch_size=32))
    assert [line.partition(",")[0] for line in headline(report)[:2]] == ["Batch 1", "Batch 32"]


def test_nothing_measured_is_said_plainly(make_result, make_report):
    report = make_report(make_result(status="skipped", reason="not installed", rounds=()))
    assert headline(report) == ["0 of 1 case measured, 1 skipped."]


def test_twice_as_fast_is_said_so(make_result, make_report):
    report = make_report(make_result(medians=[60_000] * 3), make_result("int8@tflite", medians=[30_000] * 3))
    assert "; twice as fast as fp32@ort-cpu" in headline(report)[0]


def test_random_inputs_say_nothing_of_accuracy(make_result, make_report):
    report = make_report(make_result(medians=[60_000] * 3), make_result("int8@tflite", medians=[30_000] * 3))
    random = msgspec.structs.replace(report, data=msgspec.structs.replace(report.data, is_random=True))
    assert "top-1" in headline(report)[0]
    assert "top-1" not in headline(random)[0]


def test_numbers_change_in_percent(make_result, make_report, make_numbers):
    definition = MetricDefinition(
        name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t"
    )
    errors = [1.0, 2.0, 3.0, 4.0]
    results = [
        make_result(medians=[60_000] * 3, evaluation=make_numbers(errors)),
        make_result("int8@tflite", medians=[30_000] * 3, evaluation=make_numbers([each * 1.1 for each in errors])),
    ]
    assert "MAE +10.00% [" in headline(make_report(*results, definitions=(definition,), task="regression"))[0]


def test_a_change_that_rounds_to_none_has_no_minus():
    tiny = PairedChange(change=-1e-9, lower=-1e-9, upper=2e-9, p_value=1.0, samples=10)
    assert change_text(tiny, TASK_METRICS[0], 0.5) == "+0.00 pp [+0.00, +0.00]"


def test_a_single_case_is_not_the_fastest(make_result, make_report):
    assert headline(make_report(make_result(medians=[30_000] * 3)))[0] == (
        "Batch 1, 1 thread: fp32@ort-cpu takes 30.0 µs a call."
    )


def test_a_baseline_that_is_the_faster_of_two_says_by_how_much(make_result, make_report):
    slower = make_result("int8@tflite", medians=[33_000, 33_100, 32_900])
    first, _ = headline(make_report(make_result(medians=[30_000, 30_100, 29_900]), slower))
    assert re.search(
        r"fp32@ort-cpu is the fastest, 30.0 µs a call; 1.10 times as fast as int8@tflite \[1\.\d+, ", first
    )


def test_a_scenario_that_failed_is_counted(make_result, make_report):
    lost = ColdStart(asked="cold-start", cache="warm", status="failed", reason="too slow")
    kept = ColdStart(asked="cold-start:cache=warm", cache="warm")
    assert headline(make_report(make_result(scenarios=(lost, kept))))[-1] == (
        "1 of 1 case measured, but 1 of 2 measurements in scenarios failed."
    )
