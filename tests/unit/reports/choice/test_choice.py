"""What no other case beats, and what to ship within a budget."""

from __future__ import annotations

import msgspec
import pytest

from crossrt.reports.errors import ReportError
from crossrt.reports.verdicts.choice.advice import Budget, advice_lines, advise
from crossrt.reports.verdicts.choice.pareto import front_plot, front_sheet, fronts
from crossrt.reports.verdicts.choice.relations import Relating

FAST, SLOW = (30_000, 30_100, 30_050, 29_950), (60_000, 60_200, 59_900, 60_100)
BASELINE = "fp32@ort-cpu"


@pytest.fixture
def report(make_report, make_result, make_evaluation):
    """Cases given as name: (medians, wrong digits); a later one has a larger file."""

    def make(**cases):
        results = [
            make_result(
                name.replace("_at_", "@").replace("ort_cpu", "ort-cpu"),
                medians=medians,
                evaluation=make_evaluation(wrong=wrong),
            )
            for name, (medians, wrong) in cases.items()
        ]
        return make_report(*results)

    return make


def verdicts(found):
    return {each.result.case.partition(".")[2].partition("@")[0]: each.beaten_by is None for each in found.standings}


def test_a_case_is_beaten_by_one_that_is_better_in_something_and_worse_in_nothing(report):
    (front,) = fronts(report(int8_at_tflite=(FAST, 2), fp32_at_ort_cpu=(SLOW, 2)))
    assert verdicts(front) == {"int8": True, "fp32": False}
    standing = front.standings[1]
    assert (standing.how.latency, standing.how.size, standing.how.evaluation) == ("better", "better", "even")


def test_each_measure_alone_keeps_a_case_on_the_front(report):
    slow_and_small = report(a_at_tflite=(SLOW, 2), b_at_tflite=(FAST, 2))
    assert verdicts(fronts(slow_and_small)[0]) == {"a": True, "b": True}
    slow_and_right = report(a_at_tflite=(FAST, 40), fp32_at_ort_cpu=(SLOW, 2))
    assert verdicts(fronts(slow_and_right)[0]) == {"a": True, "fp32": True}


def test_a_difference_that_chance_explains_beats_nobody(report):
    restless = (30_000, 36_000, 28_000, 35_000)
    found = report(fp32_at_ort_cpu=(restless, 2), other_at_ort_cpu=((31_000, 30_000, 33_000, 36_500), 3))
    relating = Relating(found)
    assert relating.latency(found.results[0], found.results[1]) == "even"
    assert relating.relations(*found.results).evaluation == "even"


def test_failed_cases_do_not_take_part(report):
    found = report(int8_at_tflite=(FAST, 2), fp32_at_ort_cpu=(SLOW, 2))
    broken = msgspec.structs.replace(found.results[0], status="failed", reason="crashed")
    found = msgspec.structs.replace(found, results=(broken, found.results[1]))
    assert verdicts(fronts(found)[0]) == {"fp32": True}


def test_the_table_says_who_beats_whom_in_what(report):
    found = report(int8_at_tflite=(FAST, 2), fp32_at_ort_cpu=(SLOW, 2))
    (front,) = fronts(found)
    sheet = front_sheet(found, front)
    assert sheet.title == "Batch 1, 1 thread: unbeaten are 1 of 2 cases"
    assert [row[-1].text for row in sheet.rows] == ["unbeaten", "int8@tflite: latency, size"]


def test_the_plot_names_both_groups(report):
    found = report(int8_at_tflite=(FAST, 2), fp32_at_ort_cpu=(SLOW, 2))
    plot = front_plot(found, fronts(found)[0], 80)
    assert "unbeaten" in plot
    assert max(map(len, plot.splitlines())) <= 80


def chosen(found, **budget):
    advice = advise(found, Budget(**{"drop": 0.05, **budget}))
    return advice.chosen.result.case.partition(".")[2].partition("/")[0] if advice.chosen else None


def test_the_fastest_within_the_budget_is_named(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2), wrong_at_tflite=((10_000, 10_010, 10_020), 60))
    assert chosen(found) == "int8@tflite"
    assert chosen(found, drop=0.9) == "wrong@tflite"


def test_of_equally_fast_ones_the_smallest_is_named(report):
    twice = (FAST, 2)
    found = report(fp32_at_ort_cpu=(SLOW, 2), small_at_tflite=twice, large_at_tflite=twice)
    assert chosen(found) == "small@tflite"
    lines = advice_lines(found, advise(found, Budget(drop=0.05)), Budget(drop=0.05))
    assert (
        lines[0]
        == "Ship small@tflite: the fastest at batch 1 within the budget (at most 5 points of top-1 below fp32@ort-cpu)"
    )
    assert "not told from it in latency (by 99% intervals), and no smaller: large@tflite" in lines


def test_an_accuracy_that_only_may_be_good_enough_is_not_chosen(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), doubtful_at_tflite=(FAST, 6))
    fixed, broken = {0, 1}, range(2, 8)  # four digits in all, and six where chance would have it so
    accuracy = found.results[1].evaluation
    other = msgspec.structs.replace(accuracy, misclassified=tuple((digit, 0) for digit in broken), correct=194)
    doubtful = msgspec.structs.replace(found.results[1], accuracy=other)
    assert {digit for digit, _ in found.results[0].evaluation.misclassified} == fixed
    found = msgspec.structs.replace(found, results=(found.results[0], doubtful))
    assert chosen(found, drop=0.025) == "fp32@ort-cpu"
    advice = advise(found, Budget(drop=0.025))
    assert "doubtful@tflite may lose up to" in advice_lines(found, advice, Budget(drop=0.025))[-1]
    assert chosen(found, drop=0.05) == "doubtful@tflite"


def test_size_and_patterns_limit_the_choice(report):
    found = report(small_at_ort_cpu=(SLOW, 2), fp32_at_ort_cpu=(SLOW, 2), large_at_tflite=(FAST, 2))
    assert chosen(found, size_bytes=2500) == "small@ort-cpu"
    assert chosen(found, only=("fp32",)) == "fp32@ort-cpu"
    assert chosen(found, size_bytes=10) is None
    assert advice_lines(found, advise(found, Budget(drop=0, size_bytes=10)), Budget(drop=0, size_bytes=10))[
        0
    ].startswith("Nothing fits")


@pytest.mark.parametrize(
    ("budget", "message"),
    [({"only": ("int9",)}, "fits no measured case"), ({"batch_size": 7}, "no batch size 7; it has 1")],
)
def test_what_cannot_be_advised_on_is_said(report, budget, message):
    with pytest.raises(ReportError, match=message):
        chosen(report(fp32_at_ort_cpu=(SLOW, 2)), **budget)


def test_without_a_baseline_there_is_no_advice(report):
    with pytest.raises(ReportError, match=r"the baseline mnist-cnn\.fp32@ort-cpu, .* was not measured"):
        chosen(report(int8_at_tflite=(FAST, 2)))


def test_a_report_that_does_not_name_wrong_digits_is_refused(sample):
    with pytest.raises(ReportError, match="does not say which digits"):
        advise(sample, Budget(drop=0.1))
