"""A report judged by the runs before it."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from crossrt.history.judging.gate import judge_by_past
from crossrt.history.judging.levels import Level
from crossrt.history.judging.moderation import moderation_of
from crossrt.history.judging.past import past_of
from crossrt.history.judging.prediction import allowed_interval, predicted_interval
from crossrt.history.judging.spread import spread_of
from crossrt.history.store.entries import read_entry_file
from crossrt.reports.verdicts.comparison.rules import rules_with

CASE = "mnist-cnn.fp32@ort-cpu/b1/t1"
CASES = ("fp32@ort-cpu", "int8@tflite")


@pytest.fixture
def judge(save, reading):
    """The verdict on a report, as the command gives it."""

    def verdict(report, *, last=10, margins=(), only=()):
        (path,) = save(report)
        entry = read_entry_file(path)
        past = reading(lambda connection: past_of(connection, entry, last))
        return judge_by_past(entry, past, rules_with(margins), only)

    return verdict


@pytest.fixture
def ten(add, make_run):
    add(*(make_run(day, *CASES, machine=1 + 0.02 * (day % 3)) for day in range(10)))


def finding(comparison, metric="latency_p50_ns", case=CASE):
    return next(each for each in comparison.findings if (each.case, each.metric) == (case, metric))


def test_equals_pass(ten, judge, make_run):
    found = judge(make_run(20, *CASES))
    assert found.exit_code == 0
    assert finding(found).verdict == "same"
    assert found.baseline == "run-009"
    assert "10 runs, run-000 to run-009" in found.subjects[0]


def test_a_slower_case_fails(ten, judge, make_run):
    found = judge(make_run(20, *CASES, machine=1.02, slower={"fp32@ort-cpu": 1.1}))
    assert found.exit_code == 1
    assert [(each.case, each.word) for each in found.regressions] == [(CASE, "slower")]
    assert finding(found).change == pytest.approx(0.1, abs=0.02)
    assert finding(found).lower > 0.05


def test_a_margin_can_be_chosen(ten, judge, make_run):
    slower = make_run(20, *CASES, slower={"fp32@ort-cpu": 1.1})
    assert judge(slower, margins=["latency_p50_ns=30%"]).exit_code == 0
    assert judge(slower, only=["int8"]).exit_code == 0


def test_a_report_that_is_in_the_history_is_not_judged_by_itself(add, judge, make_run):
    add(*(make_run(day) for day in range(5)))
    slower = make_run(6, slower={"fp32@ort-cpu": 1.2})
    before = judge(slower)
    add(slower, make_run(7))
    assert judge(slower) == before


def test_only_the_last_runs_count(add, judge, make_run):
    add(*(make_run(day, slower={"fp32@ort-cpu": 0.5 if day < 5 else 1.0}) for day in range(10)))
    assert judge(make_run(20), last=5).exit_code == 0
    assert finding(judge(make_run(20), last=5)).change == pytest.approx(0, abs=0.03)
    assert finding(judge(make_run(20), last=10)).change > 0.2


def test_with_few_runs_the_allowance_is_used_and_said(add, judge, make_run):
    add(make_run(1), make_run(2))
    found = judge(make_run(3, slower={"fp32@ort-cpu": 1.3}))
    assert found.exit_code == 1
    assert any("fewer than 4 comparable runs" in note for note in found.notes)
    assert any("latency_p50_ns: 0.6% of spread between runs is allowed" in line for line in found.method)


def test_a_busier_machine_is_told_by_the_reference_workload(ten, judge, make_run):
    found = judge(make_run(20, *CASES, machine=1.4))
    assert found.exit_code == 0
    assert any(re.search(r"took 3\d\.\d% more time than in the earlier runs", note) for note in found.notes)


def test_without_a_reference_workload_the_time_itself_is_judged(add, judge, make_run):
    add(*(make_run(day, reference=day != 2) for day in range(6)))
    found = judge(make_run(20, slower={"fp32@ort-cpu": 1.2}))
    assert found.exit_code == 1
    assert any("time itself (a run has no reference workload" in line for line in found.method)


def test_runs_of_another_machine_do_not_judge_times(add, judge, make_run, make_evaluation):
    add(*(make_run(day, environment={"logical_cpus": 64}) for day in range(5)))
    found = judge(make_run(20, slower={"fp32@ort-cpu": 3.0}))
    assert found.exit_code == 0
    assert "latency_p50_ns" not in {each.metric for each in found.findings}
    assert "differ in logical CPUs (64 | 2)" in found.incomparable[0]
    assert judge(make_run(21, evaluation=make_evaluation(wrong=40))).exit_code == 1


def test_answers_are_compared_with_the_newest_run(add, judge, make_run, make_evaluation):
    add(*(make_run(day, evaluation=make_evaluation(wrong=60 if day < 5 else 2)) for day in range(6)))
    found = finding(judge(make_run(20, evaluation=make_evaluation(wrong=22))), "top1")
    assert (found.verdict, found.word) == ("worse", "less accurate")
    assert "20 samples broken, 0 fixed" in found.detail


def test_cases_that_vanished_or_broke_are_regressions(ten, judge, make_run):
    found = judge(make_run(20, "fp32@ort-cpu"))
    assert (found.exit_code, found.findings[0].word) == (1, "vanished")
    report = make_run(20, *CASES)
    broken = msgspec.structs.replace(report.results[0], status="failed", reason="crashed", rounds=())
    found = judge(msgspec.structs.replace(report, results=(broken, report.results[1])))
    assert (found.findings[0].word, found.findings[0].detail) == ("failed", "crashed")


def test_a_case_that_the_newest_run_lacks_is_compared_with_older_ones(add, judge, make_run):
    add(*(make_run(day, *CASES) for day in range(5)), make_run(5, "fp32@ort-cpu"))
    found = judge(make_run(20, *CASES, slower={"int8@tflite": 1.3}))
    assert [each.case for each in found.regressions] == ["mnist-cnn.int8@tflite/b1/t1"]
    assert any("compared with older ones: mnist-cnn.int8@tflite/b1/t1" in note for note in found.notes)


def test_interrupted_runs_do_not_judge(add, judge, make_run):
    add(*(make_run(day) for day in range(5)), make_run(6, slower={"fp32@ort-cpu": 0.5}, status="interrupted"))
    found = judge(make_run(20))
    assert found.baseline == "run-004"
    assert finding(found).change == pytest.approx(0, abs=0.03)


def test_without_earlier_runs_nothing_is_comparable(add, judge, make_run):
    add(make_run(5))
    found = judge(make_run(5))
    assert found.exit_code == 3
    assert "no complete run before this one" in found.incomparable[0]


def test_a_single_round_decides_nothing(ten, judge, make_run):
    found = finding(judge(make_run(20, *CASES, rounds=1, slower={"fp32@ort-cpu": 3.0})))
    assert (found.verdict, found.lower) == ("inconclusive", None)


def level(value, error=0.003, workload=0.0):
    return Level(rounds=10, plain=value + workload, plain_error=error, relative=value, relative_error=error)


def test_prediction_is_that_of_the_textbook():
    """Mean 2, variance 1, k = 3: t(0.975, 2) = 4.3027, times the root of 1 + 1/3."""
    found = predicted_interval(level(5.0), [level(1.0), level(2.0), level(3.0)], 0.025, is_relative=True)
    assert found.mean == pytest.approx(3.0)
    assert found.half == pytest.approx(4.30265 * math.sqrt(4 / 3), rel=1e-5)


def test_fewer_rounds_than_usual_widen_the_prediction():
    earlier = [level(value) for value in (0.0, 0.01, 0.02, 0.01)]
    usual, loose = (predicted_interval(level(0.0, error), earlier, 0.01, is_relative=True) for error in (0.003, 0.05))
    assert loose.standard_error**2 - usual.standard_error**2 == pytest.approx(0.05**2 - 0.003**2)


def test_allowance_is_counted_for_both_sides():
    exact = level(0.0, error=0.0)
    found = allowed_interval(exact, [exact], 0.01, 0.025, is_relative=True)
    assert found.half == pytest.approx(1.95996 * 0.01 * math.sqrt(2), rel=1e-5)
    lone = allowed_interval(replace(exact, relative_error=None), [exact], 0.01, 0.025, is_relative=True)
    assert math.isinf(lone.half)


def false_alarms(random, runs, cases, shared, workload, uneven, trials=100):
    """How many comparisons of equals call anything slower than none: levels share a part of their spread."""
    wrong = 0
    for _ in range(trials):
        weather, own = random.normal(size=runs + 1), random.normal(size=(cases, runs + 1))
        each_case = 0.01 * random.lognormal(0, uneven, (cases, 1))
        values = each_case * (math.sqrt(shared) * weather + math.sqrt(1 - shared) * own)
        speeds = random.normal(0, workload, runs + 1)
        levels = [[level(value, workload=speed) for value, speed in zip(row, speeds, strict=True)] for row in values]
        judged = [(row[-1], tuple(row[:-1])) for row in levels]
        spread = spread_of("latency_p50_ns", judged)
        how = {"is_relative": spread.is_relative, "moderation": spread.moderation}
        alpha = 0.01 / cases / spread.choices
        wrong += any(predicted_interval(now, past, alpha, **how).lower > 0 for now, past in judged)
    return wrong


@pytest.mark.simulation
@pytest.mark.parametrize("runs", [4, 10])
@pytest.mark.parametrize("cases", [1, 3, 12])
def test_equals_are_called_slower_at_most_as_often_as_promised(runs, cases):
    """Nominally 1% of 1,200; more than 21 would be seen once in a hundred times."""
    random = np.random.default_rng(runs + cases)
    worlds = itertools.product((0.0, 0.5, 1.0), (0.003, 0.01), (0.0, 0.5))
    assert sum(false_alarms(random, runs, cases, *world) for world in worlds) <= 21


@pytest.mark.simulation
def test_ten_percent_in_one_of_twenty_cases_is_found_by_ten_runs():
    """Levels vary by 0.8% from run to run, and 5% is allowed."""
    random = np.random.default_rng(7)
    found = 0
    for _ in range(100):
        values = random.normal(0, 0.008, (20, 11))
        values[0, -1] += math.log1p(0.10)
        judged = [(level(row[-1]), tuple(map(level, row[:-1]))) for row in values]
        spread = spread_of("latency_p50_ns", judged)
        how = {"is_relative": spread.is_relative, "moderation": spread.moderation}
        found += predicted_interval(*judged[0], 0.01 / 60 / spread.choices, **how).lower > math.log1p(0.05)
    assert found > 75


def test_cases_that_vary_alike_are_worth_more_than_one():
    random = np.random.default_rng(1)
    alike = moderation_of(random.normal(0, 0.01, (20, 10)))
    assert math.sqrt(alike.variance) == pytest.approx(0.01, rel=0.15)
    variance, degrees = alike.of(0.0025**2, 9)
    assert math.sqrt(variance) > 0.007
    assert 18 < degrees <= alike.most


def test_what_a_case_shows_itself_is_never_made_smaller():
    alike = moderation_of(np.random.default_rng(1).normal(0, 0.01, (20, 10)))
    assert alike.of(0.05**2, 9)[0] == 0.05**2


def test_cases_that_move_together_are_worth_no_more_than_one():
    random = np.random.default_rng(2)
    together = moderation_of(np.ones((20, 1)) * random.normal(0, 0.01, 10))
    assert together.most == pytest.approx(9)
    assert together.of(0.01**2, 9)[1] == pytest.approx(9)


def test_cases_that_vary_unlike_say_less_of_each_other():
    random = np.random.default_rng(3)
    unlike = moderation_of(random.normal(0, 0.01, (40, 10)) * random.lognormal(0, 1.0, (40, 1)))
    assert unlike.degrees < 10


@pytest.mark.parametrize("series", [[], [[1.0, 2.0]], [[1.0, 2.0]] * 2, [[1.0, 1.0]] * 5, [[1.0]] * 5])
def test_a_few_cases_or_runs_say_nothing_together(series):
    assert moderation_of(series) is None


def test_metrics_of_own_tasks_are_judged_sample_by_sample(add, judge, make_run, make_numbers, own_task):
    errors = np.random.default_rng(0).random(500)
    add(*(make_run(day, task=own_task, evaluation=make_numbers(errors)) for day in range(3)))
    same = judge(make_run(20, task=own_task, evaluation=make_numbers(errors)))
    assert (same.exit_code, finding(same, "mae").verdict) == (0, "same")
    worse = finding(judge(make_run(21, task=own_task, evaluation=make_numbers(errors * 1.3))), "mae")
    assert (worse.verdict, worse.word) == ("worse", "less accurate")
    assert worse.change == pytest.approx(0.3, abs=0.01)
    assert "paired t test over 500 samples" in worse.detail


def test_runs_of_other_models_and_other_sizes_do_not_judge(add, judge, make_run):
    other = make_run(5, "other@ort-cpu", slower={"other@ort-cpu": 9.0})
    longer = msgspec.structs.replace(make_run(6, slower={"fp32@ort-cpu": 9.0}), dimensions={"sequence": 512})
    add(*(make_run(day) for day in range(5)), other, longer)
    found = judge(make_run(20), last=5)
    assert (found.baseline, found.exit_code) == ("run-004", 0)
    assert finding(found).change == pytest.approx(0, abs=0.03)


def test_answers_that_changed_are_judged_by_what_the_history_keeps(add, judge, make_run, make_evaluation):
    add(*(make_run(day, evaluation=make_evaluation(wrong=2)) for day in range(3)))
    found = finding(judge(make_run(20, evaluation=make_evaluation(wrong=12))), "answers")
    assert found.change == pytest.approx(10 / 200)
