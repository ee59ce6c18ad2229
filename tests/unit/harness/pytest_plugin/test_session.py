"""Sessions: no cost when unused, saved reports, other plug-ins, options."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import msgspec
import pytest

from crossrt.harness.errors import HarnessError
from crossrt.harness.pytest_plugin.baselines import check_target, read_baseline, save_reports
from crossrt.reports.schema.files import read_report

pytest_plugins = "pytester"

HEAVY = ("numpy", "scipy", "msgspec", "click", "rich", "onnxruntime", "ai_edge_litert", "tensorflow", "crossrt.reports")


def test_the_plug_in_is_registered():
    (found,) = entry_points(group="pytest11", name="crossrt")
    assert found.value == "crossrt.harness.pytest_plugin"


def test_a_session_that_does_not_use_it_imports_nothing(project):
    project.pytester.makepyfile(
        f"""
        import sys

        def test_modules():
            assert "crossrt.harness.pytest_plugin" in sys.modules
            assert [name for name in {HEAVY!r} if name in sys.modules] == []
            ours = [name for name in sys.modules if name.startswith("crossrt.")]
            assert len(ours) < 10, ours
        """
    )
    done = project.run_apart("-p", "no:benchmark")
    done.assert_outcomes(passed=1)
    assert "= crossrt =" not in done.stdout.str()


def test_marks_are_known_to_strict_sessions(project):
    project.use('@pytest.mark.limit_slowdown("5%")')
    project.run("--strict-markers").assert_outcomes(skipped=1)
    project.run("--markers").stdout.fnmatch_lines(["@pytest.mark.limit_slowdown(limit, against=None): *"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--crossrt-time", "0"), "--crossrt-time must be above 0; found 0"),
        (("--crossrt-batch", "0"), "--crossrt-batch must be at least 1; found 0"),
        (("--crossrt-threads=-1",), "--crossrt-threads must be at least 1; found -1"),
        (
            ("--crossrt-save", "notes.json"),
            "--crossrt-save: *notes.json exists and is not what --crossrt-save wrote: *",
        ),
    ],
)
def test_options_that_cannot_be_used_are_refused(project, arguments, message):
    (project.pytester.path / "notes.json").write_text('{"mine": 1}')
    done = project.run(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {message}"])


@pytest.mark.parametrize("place", ["saved.json", "saved"])
def test_a_saved_session_is_the_next_baseline(project, place):
    project.use(f'@pytest.mark.limit_slowdown("5%", against="{place}")')
    done = project.run("--crossrt-save", place)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines([f"saved reports of 1 test in *{place}"])
    project.run().assert_outcomes(passed=1)
    project.use(f'@pytest.mark.limit_slowdown("5%", against="{place}")', project.slower(1.5))
    project.run().assert_outcomes(failed=1)


@pytest.mark.parametrize("place", ["saved.json", "saved"])
def test_tests_that_did_not_run_keep_their_reports(tmp_path, report, place):
    raw = msgspec.json.encode(report)
    assert save_reports(tmp_path / place, {"a::one": [raw, raw], "a::two": [raw]}) == 0
    assert save_reports(tmp_path / place, {"a::one": [raw]}) == 1
    one, two = (read_baseline(tmp_path / place, name) for name in ("a::one", "a::two"))
    assert (one.reports, two.reports) == ((report,), (report,))
    assert read_baseline(tmp_path / place, "a::three") is None


def test_reports_in_a_folder_are_read_by_every_command(tmp_path, report):
    save_reports(tmp_path / "saved", {"tests/test_a.py::test_b[x/y]": [msgspec.json.encode(report)]})
    (path,) = (tmp_path / "saved").iterdir()
    assert path.name.startswith("y-") or "test" in path.name
    assert read_report(path) == report


def test_damaged_sessions_are_one_message(tmp_path):
    path = tmp_path / "saved.json"
    path.write_text('{"schema_version": 2, "kind": "pytest", "reports": 3}')
    check_target(path)
    with pytest.raises(HarnessError, match=r"saved\.json is damaged or was edited by hand"):
        read_baseline(path, "a::one")


def test_a_measurement_that_the_baseline_lacks_is_not_judged(project):
    mark = '@pytest.mark.limit_slowdown("5%", against="saved.json")'
    project.use(mark)
    project.run("--crossrt-save", "saved.json")
    path = project.pytester.path / "test_used.py"
    path.write_text(
        path.read_text() + f"\n    crossrt.use(api.load_report({str(project.pytester.path / 'current.json')!r}))\n"
    )
    done = project.run()
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["NOT JUDGED: *measurement 2 of this test is not in the baseline"])


def test_pytest_benchmark_keeps_its_fixture_and_writes_our_cases_too(project, monkeypatch):
    pytest.importorskip("pytest_benchmark")
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # it times nothing in a worker of pytest-xdist
    project.use()
    project.pytester.makepyfile(test_other="def test_other(benchmark):\n    assert benchmark(lambda: 3) == 3\n")
    project.run("--benchmark-json=found.json", "--benchmark-max-time=0.01").assert_outcomes(passed=2)
    found = json.loads((project.pytester.path / "found.json").read_text())
    assert sorted(each["fullname"] for each in found["benchmarks"]) == [
        "test_other.py::test_other",
        "test_used.py::test_case",
    ]


def test_cases_alone_are_written_for_pytest_benchmark(project):
    pytest.importorskip("pytest_benchmark")
    project.use()
    done = project.run("--benchmark-json=found.json")
    done.stdout.fnmatch_lines(["wrote 1 case for --benchmark-json"])
    (case,) = json.loads((project.pytester.path / "found.json").read_text())["benchmarks"]
    assert case["fullname"] == "test_used.py::test_case"
    assert case["stats"]["rounds"] > 0


def test_parallel_sessions_collect_from_all_processes_and_say_what_it_costs(project):
    pytest.importorskip("xdist")
    project.use()
    done = project.run_apart("-n", "2", "--crossrt-save", "saved.json")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*= crossrt =*", "test_used.py::test_case: *", "pytest-xdist: *-p no:xdist*"])
    assert read_baseline(project.pytester.path / "saved.json", "test_used.py::test_case").reports == (project.report,)
