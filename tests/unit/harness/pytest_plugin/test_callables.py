"""Callables: timed in rounds of fresh processes, and one clear message where that fails."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Effort
from crossrt.harness.process.callables import Call
from crossrt.harness.pytest_plugin.forked import ForkedChild
from crossrt.harness.pytest_plugin.timing import FORKED, Asked, time_callable
from crossrt.reports.schema.files import read_report, write_report

pytestmark = pytest.mark.processes
pytest_plugins = "pytester"

EFFORT = Effort(rounds=2, blocks=2, block_target_ns=500_000, warmup_ns=100_000)


def timed(function, **asked):
    call = function if isinstance(function, str) else Call(function)
    return time_callable(call, asked.pop("feeds", None), Asked(**{"name": "it", "effort": EFFORT, **asked}))


def test_a_callable_is_a_case_with_a_replicate_and_the_reference_workload(tmp_path):
    report = timed(lambda: sum(range(1000)))
    (result,) = report.results
    assert result.case == "it@python/b1/t1"
    assert [len(result.rounds), len(result.rounds[0].blocks_ns)] == [2, 2]
    assert {(each.kind, each.of) for each in report.controls} == {("replicate", result.case), ("reference", "numpy")}
    assert FORKED in report.cautions
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_every_round_has_a_fresh_process(tmp_path):
    log = tmp_path / "log"

    def note():
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")

    timed(note)
    seen = set(log.read_text().split())
    assert len(seen) == 1 + 2 * EFFORT.rounds  # one to try it out, then the callable and its replicate in each round
    assert str(os.getpid()) not in seen


def test_a_named_function_is_imported_by_fresh_processes_and_takes_feeds(tmp_path):
    (tmp_path / "ours.py").write_text(
        "def run(feeds):\n    assert feeds['x'].shape == (3,)\n    return feeds['x'] + 1\n"
    )
    report = timed("ours:run", feeds={"x": [1.0, 2.0, 3.0]}, folders=(tmp_path,))
    assert report.results[0].status == "ok"
    assert report.cautions == ()


def test_a_named_function_may_take_nothing(tmp_path):
    (tmp_path / "bare.py").write_text("class Model:\n    @staticmethod\n    def run():\n        return 1\n")
    assert timed("bare:Model.run", folders=(tmp_path,)).results[0].status == "ok"


def test_what_a_callable_prints_is_no_answer(capfd):
    assert timed(lambda: print('{"error": "made up"}')).results[0].status == "ok"
    assert "made up" not in capfd.readouterr().out


def leave():
    sys.exit(2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: [][1], "it cannot be timed: the first call: IndexError: list index out of range"),
        (leave, "it cannot be timed: the first call: SystemExit: 2"),
        (lambda: pytest.skip("no"), "it cannot be timed: the first call: Skipped: no"),
        (lambda: os._exit(3), "it cannot be timed: the first call: the process ended with exit status 3"),
        (lambda: os.kill(os.getpid(), 11), "it cannot be timed: the first call: the process was ended by SIGSEGV"),
        ("absent_module:run", "it cannot be timed: loading the model: absent_module:run cannot be imported: Module"),
        ("os:name", "it cannot be timed: loading the model: os:name is a str, which cannot be called"),
    ],
)
def test_what_fails_says_how_in_one_message(function, message):
    with pytest.raises(HarnessError) as caught:
        timed(function)
    assert str(caught.value).startswith(message)
    assert "worker.py" not in str(caught.value)


def test_a_callable_that_hangs_is_killed():
    for limit_s in (2, 10, 50):  # on a busy machine what comes before the call may take longer
        with pytest.raises(HarnessError) as caught:
            timed(lambda: subprocess.run(["sleep", "1000"]), timeout_s=limit_s)
        if "the first call" in str(caught.value):
            break
    assert f"the first call: no answer within {limit_s} s: killed (timeout={limit_s})" in str(caught.value)


def test_a_callable_that_fails_in_later_rounds_fails(tmp_path):
    log = tmp_path / "log"

    def fail_later():
        with log.open("a+") as file:
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            if len(set(file)) > 2:
                raise ValueError("not again")

    with pytest.raises(HarnessError, match="ValueError: not again"):
        timed(fail_later)


def test_a_forked_child_ends_with_its_parent_closing_it():
    child = ForkedChild(Call(lambda: None))
    assert child.ask({"memory_limit_bytes": 0}, 10) == {}
    child.close()
    assert child.has_ended


def test_a_test_measures_and_may_assert_on_the_report(project):
    project.pytester.makepyfile(
        """
        def test_one(crossrt):
            report = crossrt(sorted, [3, 1, 2], reverse=True)
            assert report.results[0].case == "test_one@python/b1/t1"

        def test_two(crossrt):
            first = crossrt.time(lambda: None)
            second = crossrt.time(lambda: None)
            assert [each.results[0].variant for each in (first, second)] == ["test_two", "test_two#2"]

        def test_three(crossrt):
            def fail():
                raise ValueError("boom")
            crossrt(fail)

        def test_four(crossrt):
            crossrt("os.path:join", "a")
        """
    )
    done = project.run("--crossrt-short", "--crossrt-time", "2")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            "test_three cannot be timed: the first call: ValueError: boom",
            "os.path:join is called in fresh processes: give it one mapping of names to arrays, or nothing; *",
            "*= crossrt =*",
            "*::test_one: test_one@python/b1/t1: p50 * µs*",
        ]
    )
    assert "During handling" not in done.stdout.str()


def test_a_callable_that_became_slower_fails(project):
    project.pytester.makepyfile(
        """
        import os, pytest, time
        SLEEP = float(os.environ.get("SLEEP", "0.001"))

        @pytest.mark.limit_slowdown("50%", against="base.json")
        def test_sleep(crossrt):
            crossrt(time.sleep, SLEEP, rounds=4)
        """
    )
    made = project.run("--crossrt-time", "4", "--crossrt-save", "base.json")
    made.assert_outcomes(passed=1)
    made.stdout.fnmatch_lines(["saved reports of 1 test in *base.json"])
    os.environ["SLEEP"] = "0.004"
    try:
        done = project.run("--crossrt-time", "4")
    finally:
        del os.environ["SLEEP"]
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["test_sleep@python/b1/t1: p50 µs slower: *margin 50%"])


def test_a_report_of_a_callable_survives_json():
    report = timed(lambda: None)
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report
