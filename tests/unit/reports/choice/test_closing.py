"""What a report comes to in its last lines."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.reports.page.report_page import report_page
from crossrt.reports.schema.scenarios import ColdStart
from crossrt.reports.tables.headline import headline
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.order import fastest_of
from crossrt.reports.verdicts.choice.advice import Budget, advise
from crossrt.reports.verdicts.choice.advice_text import advice_lines
from crossrt.reports.verdicts.choice.closing import closing_lines

FAST, SLOW = (30_000, 30_100, 30_050, 29_950), (60_000, 60_200, 59_900, 60_100)


@pytest.fixture
def report(make_report, make_result, make_evaluation):
    many = make_evaluation(samples=20_000)
    return make_report(
        make_result("int8@tflite", medians=FAST, evaluation=many),
        make_result("fp32@ort-cpu", medians=SLOW, evaluation=many),
    )


def test_what_to_ship_is_the_advice(report):
    (line,) = closing_lines(report)
    assert line.startswith(
        "To ship: int8@tflite, the fastest at batch 1 within the budget (at most 0.2 pp of top-1 below"
    )
    assert "50% of the size" in line


def test_what_failed_comes_first_and_each_reason_once(report, make_result):
    reason = "loading the model: " + "a long story " * 40
    failed = [
        make_result(f"{name}@ort-cpu", batch_size=size, status="failed", reason=reason, rounds=(), evaluation=None)
        for name in ("one", "two")
        for size in (1, 32)
    ]
    first, _ = closing_lines(msgspec.structs.replace(report, results=(*report.results, *failed)))
    assert first.startswith("FAILED: one@ort-cpu, two@ort-cpu: loading the model: a long story")
    assert len(first) < 220
    assert first.endswith(" ...")


def test_scenarios_that_failed_are_named(make_report, make_result):
    lost = ColdStart(asked="cold-start:cache=warm", cache="warm", status="failed", reason="no answer in 5 s")
    assert closing_lines(make_report(make_result(scenarios=(lost,)))) == [
        "FAILED: fp32@ort-cpu in cold-start:cache=warm: no answer in 5 s"
    ]


def test_the_page_ends_its_verdict_as_the_terminal_does(report):
    page = report_page(report)
    assert "To ship: int8@tflite, the fastest at batch 1 within the budget" in page.partition('id="cases-all"')[0]


def test_without_knowing_accuracy_nothing_is_shipped(report):
    doubtful = msgspec.structs.replace(report, cautions=("the reference is near chance",))
    assert closing_lines(doubtful) == ["To ship: no advice, as the reference is near chance"]


def test_few_samples_leave_the_baseline(make_report, make_result):
    (line,) = closing_lines(make_report(make_result("int8@tflite", medians=FAST), make_result(medians=SLOW)))
    assert line.startswith("To ship: fp32@ort-cpu, the baseline: no faster case is proven to keep to the budget")


def test_few_samples_are_told_how_many_would_do(make_report, make_result):
    (line,) = closing_lines(make_report(make_result("int8@tflite", medians=FAST), make_result(medians=SLOW)))
    assert "), but 200 samples are too few: about 3,400 without a changed answer would show it; crossrt advise" in line


def test_the_baseline_is_shipped_as_the_fastest_where_it_is(make_report, make_result):
    (line,) = closing_lines(make_report(make_result("int8@tflite", medians=SLOW), make_result(medians=FAST)))
    assert line.startswith("To ship: fp32@ort-cpu, the baseline: the fastest at batch 1 (budget: ")


def test_a_faster_case_that_loses_too_much_needs_no_more_samples(make_report, make_result, make_evaluation):
    poor = make_result("int8@tflite", medians=FAST, evaluation=make_evaluation(wrong=60))
    (line,) = closing_lines(make_report(poor, make_result(medians=SLOW)))
    assert "no faster case is proven to keep to the budget" in line
    assert "too few" not in line


def test_a_single_file_leaves_no_choice(make_report, make_result):
    assert closing_lines(make_report(make_result())) == []


def test_tables_and_advice_call_the_same_cases_equally_fast(make_report, make_result, make_evaluation):
    """Three rounds whose 95% interval leaves out 1 and whose 99% interval does not."""
    many = make_evaluation(samples=20_000)
    report = make_report(
        make_result("a@tflite", medians=(30_000, 30_000, 30_000), evaluation=many),
        make_result("b@tflite", medians=(30_300, 30_600, 31_100), evaluation=many),
        make_result(medians=(60_000, 60_100, 60_200), evaluation=many),
    )
    look = Lookup(report)
    tied = fastest_of(look, report.results).marked
    advice = advise(report, Budget(drop=0.002))
    assert tied == {advice.chosen.result.case, *(each.result.case for each in advice.tied)}
    assert len(tied) == 2


def test_a_speed_up_whose_interval_includes_1_is_not_advised(make_report, make_result, make_evaluation):
    many = make_evaluation(samples=20_000)
    report = make_report(
        make_result("int8@tflite", medians=(20_000, 40_000), evaluation=many),
        make_result(medians=(70_000, 80_000), evaluation=many),
    )
    (line,) = closing_lines(report)
    assert line.startswith("To ship: fp32@ort-cpu, the baseline: these rounds do not show that any case within")
    assert "(lowest p50: int8@tflite, 2.6" in line
    assert "or a quiet machine would tell" in line
    budget = Budget(drop=0.002)
    lines = advice_lines(report, advise(report, budget), budget)
    assert "these rounds do not show" in lines[0]


def test_the_speed_up_of_what_is_shipped_has_its_interval(report):
    (line,) = closing_lines(report)
    assert re.search(r"twice as fast as fp32@ort-cpu \[1\.\d\d, 2\.\d\d\]", line)


def test_changes_are_from_the_source_model_where_the_baseline_is_quantized(make_report, make_result, make_evaluation):
    report = make_report(
        make_result("int8-qdq@ort-cpu", medians=SLOW, evaluation=make_evaluation(wrong=2)),
        make_result("int8@tflite", medians=FAST, evaluation=make_evaluation(wrong=4)),
    )
    settings = msgspec.structs.replace(report.run.settings, baseline=report.results[0].subject)
    quantized = tuple(msgspec.structs.replace(each, role="quantized") for each in report.artifacts)
    run = msgspec.structs.replace(report.run, settings=settings)
    report = msgspec.structs.replace(report, run=run, artifacts=quantized, reference="the source model own.keras")
    assert "top-1 -2.00 pp from the source model own.keras" in headline(report)[0]
    (line,) = closing_lines(report)
    assert line.startswith("To ship: no advice, as the baseline int8-qdq@ort-cpu is a quantized file")
