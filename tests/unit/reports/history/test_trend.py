"""A metric over runs: which runs count, where it changed, and how that is told."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.history.judging.series import find_series
from crossrt.history.judging.trend import Trend, is_exact, trend_of
from crossrt.history.showing.trend_page import trend_as_page
from crossrt.history.showing.trend_text import (
    overview_sheet,
    step_sheet,
    trend_headline,
    trend_notes,
    trend_plot,
)
from crossrt.history.store.database import open_history
from crossrt.history.store.removing import remove_run
from crossrt.reports.errors import ReportError
from crossrt.reports.schema.version1_answers import TASK_METRICS
from crossrt.reports.statistics.definitions import MEASURED_METRICS

CASE = "mnist-cnn.int8@tflite/b1/t1"


@pytest.fixture
def ask(reading):
    """A trend as the command sees it."""

    def trend(metric="latency_p50_ns", pattern="*", *, environment=None, last=200) -> Trend:
        found = reading(lambda connection: find_series(connection, metric, pattern, environment=environment, last=last))
        return trend_of(found)

    return trend


@pytest.fixture
def twenty(add, make_run):
    """Twenty runs on a machine that is slower on some days; from day 12 on one case takes 8% more."""
    add(
        *(
            make_run(
                day,
                "fp32@ort-cpu",
                "int8@tflite",
                machine=1 + 0.02 * (day % 3),
                slower={"int8@tflite": 1.08 if day >= 12 else 1.0},
            )
            for day in range(20)
        )
    )


def test_a_step_is_found_at_the_right_commit(twenty, ask):
    trend = ask()
    steps = {case.case: case.steps for case in trend.cases}
    assert steps["mnist-cnn.fp32@ort-cpu/b1/t1"] == ()
    (step,) = steps[CASE]
    assert (step.index, step.span) == (12, "000000b..000000c")
    assert step.change == pytest.approx(0.08, abs=0.01)
    assert step.lower < 0.08 < step.upper
    assert step.is_worse


def test_the_outcome_is_told_in_words_and_tables(twenty, ask):
    trend = ask(pattern="int8")
    assert trend_headline(trend) == "1 change of p50 in 1 of 1 case, 1 to the worse."
    (row,) = step_sheet(trend).rows
    assert row[1].text == "000000b..000000c"
    assert row[-1].text.startswith("+8.")
    assert row[-1].tone == "bad"
    assert overview_sheet(trend).rows[0][1].text == "20"
    assert "level" in trend_plot(trend, trend.cases[0], 100)
    assert any("relative to the reference workload" in note for note in trend_notes(trend))


def test_a_point_is_what_its_report_says_and_stays_so_when_another_run_is_removed(add, make_run, ask, address):
    runs = [make_run(day, machine=1 + 0.05 * day) for day in range(5)]
    add(*runs)
    before = ask().cases[0]
    assert before.is_relative
    printed = [next(m.value for m in run.metrics if m.name == "latency_p50_ns") for run in runs]
    assert [point.value for point in before.points] == pytest.approx(printed)
    with open_history(address) as history, history.writing() as connection:
        remove_run(connection, 5)
    assert ask().cases[0].points == before.points[:-1]


def test_times_without_a_steadier_reference_workload_are_taken_as_they_are(add, make_run, ask):
    add(*(make_run(day, reference=False) for day in range(6)))
    (case,) = ask().cases
    assert not case.is_relative
    assert case.points[0].value == pytest.approx(49_800, rel=0.02)


def test_runs_of_other_environments_are_left_out_and_counted(add, make_run, ask, reading):
    other = {"cpu_model": "another processor"}
    add(*(make_run(day) for day in range(3)), *(make_run(day, environment=other) for day in range(3, 5)))
    newest = ask()
    assert (len(newest.cases[0].points), newest.others, newest.machine) == (2, 3, "another processor")
    assert any("left out: 3 runs of other environments" in note for note in trend_notes(newest))
    earlier = ask(environment=reading(lambda c: find_series(c, "top1", "*", environment=None, last=9)).machine.key[:6])
    assert earlier.environment == newest.environment


def test_another_environment_can_be_chosen(add, make_run, ask, reading):
    add(make_run(1), make_run(2))
    key = ask().environment
    add(make_run(3, environment={"logical_cpus": 64}))
    assert ask().environment != key
    assert len(ask(environment=key[:8]).cases[0].points) == 2


def test_interrupted_and_older_runs_are_left_out_and_counted(add, make_run, ask):
    add(*(make_run(day) for day in range(5)), make_run(5, status="interrupted"))
    trend = ask(last=3)
    assert [point.run for point in trend.cases[0].points] == ["run-002", "run-003", "run-004"]
    assert (trend.older, trend.interrupted) == (2, 1)


def test_other_software_is_the_same_environment(add, make_run, ask):
    add(make_run(1), make_run(2, environment={"packages": {"runtime ort-cpu": "9.9"}, "kernel": "7.0"}))
    assert len(ask().cases[0].points) == 2


def test_exact_metrics_change_wherever_they_differ(add, make_run, make_evaluation, ask):
    worse = make_evaluation(wrong=6)
    add(make_run(1), make_run(2), make_run(3, evaluation=worse))
    (case,) = ask("top1").cases
    (step,) = case.steps
    assert (case.scale, step.index, step.lower) == ("difference", 2, None)
    assert step.change == pytest.approx(-0.02)
    assert step.is_worse
    assert step_sheet(ask("top1")).rows[0][-1].text == "-2.00 pp"


def test_what_has_no_chance_in_it_is_told_from_what_has():
    known = {each.name: each for each in (*TASK_METRICS, *MEASURED_METRICS)}
    exact = {name for name, definition in known.items() if is_exact(definition)}
    assert exact >= {"size_bytes", "top1", "integer_kernels", "macro_f1"}
    assert not exact & {"latency_p50_ns", "peak_memory_bytes", "speedup_p50", "throughput_per_s"}


def test_runs_without_revisions_are_named_by_their_ids(add, make_run, make_evaluation, ask):
    nowhere = {"git_revision": None, "git_dirty": None}
    add(make_run(1, environment=nowhere), make_run(2, environment=nowhere, evaluation=make_evaluation(wrong=6)))
    assert ask("top1").cases[0].steps[0].span == "run-001..run-002"


def test_batches_are_cases_of_their_own(add, make_run, ask):
    add(make_run(1, batch_size=1), make_run(2, batch_size=32))
    assert [len(case.points) for case in ask().cases] == [1, 1]
    assert [case.case for case in ask(pattern="b32").cases] == ["mnist-cnn.fp32@ort-cpu/b32/t1"]


def test_a_trend_survives_json(twenty, ask):
    trend = ask()
    assert msgspec.json.decode(msgspec.json.encode(trend), type=Trend) == trend


def test_metrics_of_own_tasks_have_trends(add, make_run, make_numbers, own_task, ask):
    errors = [0.1, 0.1, 0.1, 0.2]
    add(*(make_run(day, task=own_task, evaluation=make_numbers([error] * 8)) for day, error in enumerate(errors)))
    trend = ask("mae")
    (case,) = trend.cases
    (step,) = case.steps
    assert trend.definition == own_task["definitions"][0]
    assert (case.unit, case.scale, step.index, step.is_worse) == ("deg C", "difference", 3, True)
    assert trend_headline(trend) == "1 change of MAE in 1 of 1 case, 1 to the worse."
    assert overview_sheet(trend).title == "MAE deg C, over runs"
    assert step_sheet(trend).rows[0][-1].text == "+0.1 deg C"


def test_a_metric_that_only_older_runs_have_is_still_known(add, make_run, make_numbers, own_task, reading):
    add(make_run(1, task=own_task, evaluation=make_numbers([0.1, 0.2])), make_run(2))
    found = reading(lambda connection: find_series(connection, "mae", "*", environment=None, last=1))
    assert (found.definition.unit, found.definition.judged_by, found.series) == ("deg C", None, ())


def test_answers_to_other_data_are_left_out_and_counted(add, make_run, ask):
    runs = [make_run(day) for day in range(4)]
    other = msgspec.structs.replace(runs[0].data, fingerprint="e" * 64)
    add(*(msgspec.structs.replace(run, data=other) for run in runs[:2]), *runs[2:])
    trend = ask("top1")
    assert ([point.run for point in trend.cases[0].points], trend.other_data) == (["run-002", "run-003"], 2)
    assert any("left out: 2 runs on other data" in note for note in trend_notes(trend))
    assert (len(ask("latency_p50_ns").cases[0].points), ask("latency_p50_ns").other_data) == (4, 0)


def test_sizes_of_dimensions_are_environments_of_their_own(add, make_run, ask):
    long = msgspec.structs.replace(make_run(2), dimensions={"sequence": 512})
    add(make_run(1), long, msgspec.structs.replace(make_run(3), dimensions={"sequence": 512}))
    trend = ask()
    assert ([point.run for point in trend.cases[0].points], trend.others) == (["run-002", "run-003"], 1)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"metric": "latency_p50"}, "did you mean latency_p50_ns?"),
        ({"metric": "zzz"}, "available: agreement"),
        ({"pattern": "int4"}, "no case of the history matches 'int4'; available: mnist-cnn.fp32@ort-cpu/b1/t1"),
        ({"environment": "xyz"}, "no environment of the history begins with 'xyz'"),
    ],
)
def test_questions_that_have_no_answer_are_explained(add, make_run, ask, question, message):
    add(make_run(1))
    with pytest.raises(ReportError) as caught:
        ask(**question)
    assert message in str(caught.value)


def test_labels_of_late_changes_stay_in_the_figure(add, make_run, make_evaluation, ask):
    add(*(make_run(day, evaluation=make_evaluation(wrong=20 if day in (1, 7) else 2)) for day in range(8)))
    page = trend_as_page(ask("top1"))
    anchors = re.findall(r'style="[^"]*text-anchor: (\w+)[^"]*"[^>]*>(0000\w+\.\.0000\w+)<', page)
    assert {span: anchor for anchor, span in anchors}["0000006..0000007"] == "end"
    assert "<h1>crossrt history: top-1</h1>" in page
