"""Limits: what fails, passes, is skipped, is only shown, and in which words."""

from __future__ import annotations

import re

import msgspec
import pytest

from crossrt.harness.pytest_plugin.enforcing import missing_lines
from crossrt.harness.pytest_plugin.judging import Judgement
from crossrt.harness.pytest_plugin.marks import Limit
from crossrt.reports.schema.records import Control
from crossrt.reports.verdicts.comparison.basis import Question
from crossrt.reports.verdicts.comparison.compare import compare_reports
from crossrt.reports.verdicts.comparison.sheets import explain

pytest_plugins = "pytester"

SLOWDOWN = '@pytest.mark.limit_slowdown("5%", against="baseline.json")'
ACCURACY = '@pytest.mark.limit_accuracy_drop("0.5pp", against="baseline.json")'


def test_a_test_that_is_not_slower_than_its_baseline_passes(project):
    project.write("baseline.json")
    project.use(SLOWDOWN)
    done = project.run()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(
        ["*= crossrt =*", "test_used.py::test_case: mnist-cnn.fp32@ort-cpu/b1/t1: p50 * µs, *same*"]
    )


def test_a_slower_case_fails_in_the_words_of_compare(project):
    current = project.slower(1.5)
    project.write("baseline.json")
    project.use(SLOWDOWN, current)
    done = project.run()
    done.assert_outcomes(failed=1)
    (line,) = [
        each
        for each in compare_reports(project.report, current, Question()).findings
        if each.metric == "latency_p50_ns"
    ]
    assert line.is_regression
    words = explain([line])[0].rpartition(", margin")[0].split("[")[0]  # fewer metrics are judged: narrower intervals
    assert words in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


def test_a_slowdown_relative_to_the_reference_workload_is_called_that(project):
    def beside(report, run_id):
        control = Control(
            kind="reference", of="numpy", batch_size=1, threads=1, rounds=project.report.results[0].rounds
        )
        run = msgspec.structs.replace(report.run, id=run_id)
        return msgspec.structs.replace(report, controls=(control,), run=run)

    project.write("baseline.json", beside(project.report, "before"))
    project.use(SLOWDOWN, beside(project.slower(1.5), "after"))
    said = project.run().stdout.str()
    assert "the reference workload, the same in every run, took as long as in the baseline" in said
    assert re.search(r"µs, slower \+50\S+ \[.*\] relative to the reference workload\n", said)
    project.use(SLOWDOWN, project.slower(1.5))
    assert "reference workload" not in project.run().stdout.str()


def test_a_slowdown_within_the_limit_passes(project):
    project.write("baseline.json")
    project.use(SLOWDOWN.replace("5%", "80%"), project.slower(1.5))
    project.run().assert_outcomes(passed=1)


def test_a_limit_on_slowdown_says_nothing_of_accuracy(project):
    project.write("baseline.json")
    project.use(SLOWDOWN, project.less_accurate(0.2))
    project.run().assert_outcomes(passed=1)


def test_lost_accuracy_fails(project):
    project.write("baseline.json")
    project.use(ACCURACY, project.less_accurate(0.02))
    done = project.run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["limit_accuracy_drop(0.5pp): 1 regression in 1 case.", "*top-1*-2.00 pp*margin 0.5 pp"])


def test_accuracy_lost_within_the_limit_passes(project):
    project.write("baseline.json")
    project.use(ACCURACY, project.less_accurate(0.004))
    project.run().assert_outcomes(passed=1)


def test_percent_of_a_share_is_refused_with_the_right_unit(project):
    project.write("baseline.json")
    project.use(ACCURACY.replace("pp", "%"))
    done = project.run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(['*top-1 is in share: write the limit like "0.5pp"*'])


@pytest.mark.parametrize(("mark", "expected"), [("", 1), ('"size_bytes=off", "latency_p50_ns=off", ', 0)])
def test_all_margins_of_compare_can_be_asked_for(project, mark, expected):
    project.write("baseline.json")
    project.use(f'@pytest.mark.limit_regressions({mark}against="baseline.json")', project.slower(1.5))
    project.run().assert_outcomes(failed=expected, passed=1 - expected)


def test_without_a_baseline_a_test_is_skipped_and_says_how_to_make_one(project):
    project.use(SLOWDOWN)
    done = project.run("-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(
        ["*there is no baseline *baseline.json: make it with pytest --crossrt-save *baseline.json*"]
    )


def test_limits_that_lack_the_same_baseline_say_so_once():
    slowdown = Limit(kind="limit_slowdown", share=0.05)
    limits = [slowdown, Limit(kind="limit_regressions"), slowdown, Limit(kind="limit_accuracy_drop")]
    found = [*[Judgement(missing="there is no baseline a")] * 2, Judgement(missing="there is no b"), Judgement()]
    assert missing_lines(limits, found) == [
        "limit_slowdown(5%), limit_regressions(): there is no baseline a",
        "limit_slowdown(5%): there is no b",
    ]


@pytest.mark.parametrize("against", ["", ', against="baseline.json"'])
def test_a_session_that_makes_the_baseline_judges_nothing_and_passes(project, against):
    project.use(f'@pytest.mark.limit_slowdown("5%"{against})')
    done = project.run("-rs", "--crossrt-strict", "--crossrt-save", "baseline.json")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*limit_slowdown(5%): saved in *baseline.json as the baseline to compare with"])
    done.stdout.no_fnmatch_line("*NOT JUDGED*")


def test_a_limit_without_any_named_baseline_is_skipped(project):
    project.use('@pytest.mark.limit_slowdown("5%")')
    done = project.run("-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["SKIPPED*test_used.py:*"])
    done.stdout.fnmatch_lines(["*no baseline is named: give against=... or --crossrt-baseline PATH*"])


def test_the_baseline_of_the_session_is_used_where_a_mark_names_none(project):
    path = project.write("other.json")
    project.use('@pytest.mark.limit_slowdown("5%")', project.slower(1.5))
    project.run("--crossrt-baseline", str(path)).assert_outcomes(failed=1)


def test_the_newest_run_is_a_baseline_by_its_word(project):
    project.use('@pytest.mark.limit_slowdown("5%")', project.slower(1.5))
    done = project.run("-rs", "--crossrt-baseline", "latest")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*latest is the newest run in *results, which holds 0 runs:*"])
    run = project.pytester.mkdir("results") / "20260101T000000Z-aaaa"
    run.mkdir()
    project.write(run / "report.json")
    project.run("--crossrt-baseline", "latest").assert_outcomes(failed=1)
    project.use(SLOWDOWN.replace("baseline.json", "latest"), project.slower(1.5))
    project.run().assert_outcomes(failed=1)


def test_a_baseline_may_be_relative_to_the_root_folder(project):
    project.write("baseline.json")
    project.use(SLOWDOWN, project.slower(1.5))
    folder = project.pytester.mkdir("deep")
    (project.pytester.path / "test_used.py").rename(folder / "test_used.py")
    (project.pytester.path / "pytest.ini").write_text("[pytest]\n")
    project.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("make", ["missing", "elsewhere"])
def test_strict_sessions_fail_what_cannot_be_judged(project, make):
    if make == "elsewhere":
        project.write("baseline.json", project.elsewhere())
    project.use(SLOWDOWN)
    done = project.run("--crossrt-strict")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["--crossrt-strict: *"])


def test_another_machine_is_shown_and_fails_nothing(project):
    project.write("baseline.json", project.elsewhere())
    project.use(SLOWDOWN, project.slower(3.0))
    done = project.run()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["NOT JUDGED: test_used.py::test_case: *CPU model (another processor | *"])


def test_what_is_undecided_is_shown_and_fails_nothing(project):
    project.write("baseline.json")
    project.use(SLOWDOWN, project.slower(1.05))
    done = project.run()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["NOT JUDGED: test_used.py::test_case: *inconclusive*"])


def test_other_cases_of_a_report_are_no_concern_of_a_test(project):
    (result,) = project.report.results
    other = msgspec.structs.replace(result, case="other", subject="other")
    both = msgspec.structs.replace(project.report, results=(result, other))
    both = msgspec.structs.replace(
        both,
        metrics=(
            *both.metrics,
            *(msgspec.structs.replace(each, case="other") for each in both.metrics),
        ),
    )
    project.write("baseline.json", both)
    project.use(SLOWDOWN)
    project.run().assert_outcomes(passed=1)


def test_a_damaged_baseline_fails_with_one_message(project):
    (project.pytester.path / "baseline.json").write_text('{"schema_version": 2}')
    project.use(SLOWDOWN)
    done = project.run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*baseline.json is damaged or was edited by hand: *"])
    assert "Traceback" not in done.stdout.str()


def test_a_limit_without_a_measurement_fails(project):
    project.pytester.makepyfile(f"import pytest\n{SLOWDOWN}\ndef test_nothing(crossrt):\n    pass\n")
    done = project.run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["limit_slowdown(5%) has nothing to judge: measure with the fixture crossrt"])


def test_a_failing_assertion_comes_before_limits(project):
    project.write("baseline.json")
    project.use(SLOWDOWN, project.slower(1.5))
    path = project.pytester.path / "test_used.py"
    path.write_text(f"{path.read_text()}\n    assert 1 == 2\n")
    done = project.run()
    done.assert_outcomes(failed=1)
    assert "slower:" not in done.stdout.str()


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("limit_slowdown()", 'one limit is expected, such as "5%"; found 0 arguments'),
        ("limit_slowdown(5)", 'the limit 5 is not written like "5%"'),
        ('limit_slowdown("5")', "the limit '5' is not written like \"5%\""),
        ('limit_slowdown("0.5pp")', "the limit '0.5pp' is not written like \"5%\""),
        ('limit_slowdown("-5%")', "the limit '-5%' is not written like \"5%\""),
        ('limit_slowdown("5%", again="x")', "unknown argument 'again'; the only keyword is against"),
        ('limit_slowdown("5%", against=3)', "against must be the path of a baseline; found 3"),
        ('limit_accuracy_drop("half")', 'the limit \'half\' is not written like "0.5pp" or "2%"'),
        ('limit_regressions("fast")', "the margin 'fast' is not written [CASES:]METRIC=PERCENT%*"),
    ],
)
def test_wrong_arguments_are_refused_at_collection(project, mark, message):
    project.use(f"@pytest.mark.{mark}")
    done = project.run()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    name = mark.partition("(")[0]
    expected = message.replace("[", "[[]") if "[" in message else message
    done.stderr.fnmatch_lines([f"ERROR: test_used.py::test_case: @pytest.mark.{name}: {expected}"])
    assert "Traceback" not in done.stderr.str()
