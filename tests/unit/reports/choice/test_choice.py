"""What no other case beats, and what to ship within a budget."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from crossrt.core.evaluation import OutputError, Packed
from crossrt.core.metric import MetricDefinition
from crossrt.reports.errors import ReportError
from crossrt.reports.verdicts.choice.advice import Budget, advise
from crossrt.reports.verdicts.choice.advice_text import advice_lines, choice_text
from crossrt.reports.verdicts.choice.front_chart import front_plot
from crossrt.reports.verdicts.choice.pareto import front_sheet, fronts
from crossrt.reports.verdicts.choice.relations import Relating

FAST, SLOW = (30_000, 30_100, 30_050, 29_950), (60_000, 60_200, 59_900, 60_100)
BASELINE = "fp32@ort-cpu"


@pytest.fixture
def report(make_report, make_result, make_evaluation):
    """Cases given as name: (medians, samples answered wrong); a later one has a larger file."""

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
    assert (standing.how.latency, standing.how.size, standing.how.accuracy) == ("better", "better", "even")


def test_each_measure_alone_keeps_a_case_on_the_front(report):
    slow_and_small = report(a_at_tflite=(SLOW, 2), b_at_tflite=(FAST, 2))
    assert verdicts(fronts(slow_and_small)[0]) == {"a": True, "b": True}
    slow_and_right = report(a_at_tflite=(FAST, 40), fp32_at_ort_cpu=(SLOW, 2))
    assert verdicts(fronts(slow_and_right)[0]) == {"a": True, "fp32": True}


def test_a_difference_that_chance_explains_beats_nobody(report):
    noisy = (30_000, 36_000, 28_000, 35_000)
    found = report(fp32_at_ort_cpu=(noisy, 2), other_at_ort_cpu=((31_000, 30_000, 33_000, 36_500), 3))
    relating = Relating(found)
    assert relating.latency(found.results[0], found.results[1]) == "even"
    assert relating.relations(*found.results).accuracy == "even"


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


def test_rows_and_columns_of_the_outermost_points_are_labelled_with_their_values(report):
    """One sample in two hundred: 99.5 and 99.0 must not be rounded to 100 and 99."""
    found = report(int8_at_tflite=(FAST, 1), fp32_at_ort_cpu=(SLOW, 2))
    lines = front_plot(found, fronts(found)[0], 80).splitlines()
    assert [line.split("│")[-1].strip() for line in lines if "│" in line and set(line) & {"x", "+"}] == [
        "99.50 %",
        "99.00 %",
    ]
    assert re.search(r"30\.\d+ µs +60\.\d+ µs$", next(line for line in lines if "µs" in line))


def test_a_mark_of_the_unbeaten_is_not_covered(report):
    found = report(int8_at_tflite=(FAST, 2), twin_at_tflite=(FAST, 2), fp32_at_ort_cpu=(SLOW, 2))
    assert [each.beaten_by is None for each in fronts(found)[0].standings] == [True, False, False]
    drawn = [line for line in front_plot(found, fronts(found)[0], 80).splitlines() if line.startswith("│")]
    assert sum(line.count("+") for line in drawn) == 1


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
        == "Ship small@tflite: the fastest at batch 1 within the budget (at most 5 pp of top-1 below fp32@ort-cpu)"
    )
    assert "statistically indistinguishable from it in latency (99% intervals), and no smaller: large@tflite" in lines


def test_an_accuracy_that_only_may_be_good_enough_is_not_chosen(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), doubtful_at_tflite=(FAST, 6))
    right = np.ones(200, bool)
    right[2:8] = False  # four samples more than the baseline in all, and more where chance would have it so
    evaluation = found.results[1].evaluation
    other = msgspec.structs.replace(
        evaluation, per_sample={"top1": Packed.of(right)}, counts={"top1": 194}, answers_sha256="a" * 64
    )
    doubtful = msgspec.structs.replace(found.results[1], evaluation=other)
    found = msgspec.structs.replace(found, results=(found.results[0], doubtful))
    assert chosen(found, drop=0.025) == "fp32@ort-cpu"
    advice = advise(found, Budget(drop=0.025))
    assert "doubtful@tflite may lose up to" in advice_lines(found, advice, Budget(drop=0.025))[-2]
    assert chosen(found, drop=0.09) == "doubtful@tflite"


def test_few_samples_allow_no_advice_on_a_small_loss_even_where_none_changed(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2))
    assert chosen(found, drop=0.002) == "fp32@ort-cpu"
    lines = advice_lines(found, advise(found, Budget(drop=0.002)), Budget(drop=0.002))
    assert lines[-2].endswith("int8@tflite may lose up to 3.21 pp")
    assert lines[0].startswith(
        "Ship fp32@ort-cpu, the baseline: no faster case is proven to keep to the budget (at most"
    )
    assert lines[-1] == (
        "int8@tflite is within the budget so far (+0.00 pp [-3.21, +3.21]), but 200 samples are too few: about 3,400"
        " without a changed answer would show it"
    )


def test_the_last_line_of_a_bench_gives_the_hint_of_the_advice(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2))
    budget = Budget(drop=0.002)
    advice = advise(found, budget)
    assert choice_text(found, advice, budget).endswith(f"; {advice_lines(found, advice, budget)[-1]}")


def test_a_faster_case_that_lacks_samples_is_told_where_another_is_shipped(report):
    found = report(
        fp32_at_ort_cpu=(SLOW, 2), fine_at_ort_cpu=((45_000, 45_150, 45_075, 44_925), 2), int8_at_tflite=(FAST, 4)
    )
    budget = Budget(drop=0.035)
    advice = advise(found, budget)
    assert advice.chosen.result.case.endswith("fine@ort-cpu/b1/t1")
    assert advice_lines(found, advice, budget)[-1].startswith("int8@tflite is within the budget so far (-1.00 pp [")


def test_a_case_that_is_too_large_is_not_said_to_lack_samples_alone(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2))
    budget = Budget(drop=0.002, size_bytes=10)
    assert "samples are too few" not in "".join(advice_lines(found, advise(found, budget), budget))


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
    [({"only": ("int9",)}, "fits no measured case"), ({"batch_size": 7}, "no batch size 7; available: 1")],
)
def test_what_cannot_be_advised_on_is_said(report, budget, message):
    with pytest.raises(ReportError, match=message):
        chosen(report(fp32_at_ort_cpu=(SLOW, 2)), **budget)


def test_without_a_baseline_there_is_no_advice(report):
    with pytest.raises(ReportError, match=r"the baseline mnist-cnn\.fp32@ort-cpu, .* was not measured"):
        chosen(report(int8_at_tflite=(FAST, 2)))


def test_a_report_without_single_samples_is_refused(sample):
    with pytest.raises(ReportError, match=r"does not say how .* answered each sample"):
        advise(sample, Budget(drop=0.1))


def test_sizes_that_differ_by_less_than_a_percent_beat_nobody(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), same_at_ort_cpu=(SLOW, 2))
    for size, relation in ((1_009, "even"), (1_011, "better")):
        metrics = tuple(
            msgspec.structs.replace(each, value=float(size))
            if each.name == "size_bytes" and "same" in each.case
            else each
            for each in found.metrics
        )
        relating = Relating(msgspec.structs.replace(found, metrics=metrics))
        assert relating.relations(*found.results).size == relation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report: {"data": msgspec.structs.replace(report.data, is_random=True)}, "inputs were random"),
        (lambda _: {"cautions": ("the reference is near chance",)}, "no advice: the reference is near chance"),
    ],
)
def test_a_report_whose_accuracy_means_nothing_gets_no_advice(report, change, message):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2))
    with pytest.raises(ReportError, match=message):
        chosen(msgspec.structs.replace(found, **change(found)))


def test_a_baseline_that_is_no_better_than_a_guess_gets_no_advice(report):
    with pytest.raises(ReportError, match=r"no advice: the baseline answers 10\.0% of samples right, no more than"):
        chosen(report(fp32_at_ort_cpu=(SLOW, 180), int8_at_tflite=(FAST, 180)))


MAE = MetricDefinition(name="mae", label="MAE", unit="m", direction="smaller_is_better", paired_test="paired-t")
ERROR = MetricDefinition(name="relative_error", label="relative error", unit="share", direction="smaller_is_better")


def test_numbers_are_compared_in_percent_of_the_baselines(make_report, make_result, make_numbers):
    errors = np.random.default_rng(0).random(500) + 1
    results = [
        make_result(name, medians=medians, evaluation=make_numbers(errors * factor))
        for name, medians, factor in ((BASELINE, SLOW, 1.0), ("int8@tflite", FAST, 1.03))
    ]
    found = make_report(*results, definitions=(MAE,), task="regression")
    assert chosen(found, drop=0.05) == "int8@tflite"
    assert chosen(found, drop=0.02) == "fp32@ort-cpu"
    advice, budget = advise(found, Budget(drop=0.02)), Budget(drop=0.02)
    lines = advice_lines(found, advice, budget)
    assert "MAE at most 2% worse than that of fp32@ort-cpu" in lines[0]
    assert "int8@tflite loses 3.00%" in lines[-1]
    assert Relating(found).accuracy(*results) == "better"


def test_without_labels_and_classes_outputs_are_compared(make_report, make_result, make_evaluation):
    def answering(relative):
        return msgspec.structs.replace(
            make_evaluation(),
            values={"relative_error": relative},
            counts={},
            per_sample={},
            predictions=None,
            classes=None,
            outputs=(OutputError(output="y", max_abs=relative, relative=relative),),
        )

    cases = ((BASELINE, SLOW, 1e-7), ("same@ort-cpu", SLOW, 3e-7), ("int8@tflite", FAST, 0.02))
    results = [make_result(name, medians=medians, evaluation=answering(error)) for name, medians, error in cases]
    found = make_report(*results, definitions=(ERROR,), task="agreement")
    relating = Relating(found)
    assert relating.accuracy(results[0], results[1]) == "even"
    assert relating.accuracy(results[0], results[2]) == "better"
    assert chosen(found, drop=0.03) == "int8@tflite"
    assert chosen(found, drop=0.01) == "fp32@ort-cpu"
    budget = Budget(drop=0.01)
    lines = advice_lines(found, advise(found, budget), budget)
    assert "a relative error of at most 1%" in lines[0]
    assert "int8@tflite has a relative error of 2.00%" in lines[-1]


def test_speed_is_said_in_words(report):
    found = report(fp32_at_ort_cpu=(SLOW, 2), int8_at_tflite=(FAST, 2))
    budget = Budget(drop=0.05)
    assert (
        "int8@tflite: twice as fast as the baseline [1.99, 2.01]; top-1 +0.00 pp"
        in advice_lines(found, advise(found, budget), budget)[2]
    )
