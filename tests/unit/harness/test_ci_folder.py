"""`crossrt bench --ci` and `--against`: what is kept, what is compared, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from crossrt.harness.errors import HarnessError
from crossrt.reports.page import report_page
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Report

SAVED = Path(__file__).parents[2] / "data" / "report-v1.json"
PLAIN = {"report.json", "report.html", "comment.md", "verdict.txt"}


@pytest.fixture
def report() -> Report:
    return read_report(SAVED)


@pytest.fixture
def measured(monkeypatch, crossrt):
    """Runs the command as if a run had found this report."""

    def run(report, *arguments, **variables):
        def found(settings, command, display, keep, checkpoint):
            keep(report)
            return report

        monkeypatch.setattr("crossrt.harness.run.bench.run_bench", found)
        return crossrt("bench", *arguments, **variables)

    return run


def changed(report: Report, **environment) -> Report:
    """A later run: another id, and another environment."""
    run = msgspec.structs.replace(report.run, id=f"{report.run.id}-2")
    return msgspec.structs.replace(
        report, run=run, environment=msgspec.structs.replace(report.environment, **environment)
    )


def larger(report: Report) -> Report:
    """A later run whose files have become twice as large."""
    metrics = tuple(
        msgspec.structs.replace(each, value=2 * each.value) if each.name == "size_bytes" else each
        for each in report.metrics
    )
    artifacts = tuple(msgspec.structs.replace(each, size_bytes=2 * each.size_bytes) for each in report.artifacts)
    return msgspec.structs.replace(changed(report), metrics=metrics, artifacts=artifacts)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def verdict(folder: Path) -> str:
    return (folder / "verdict.txt").read_text()


def test_report_page_comment_and_verdict_are_kept(measured, report, tmp_path):
    done = measured(report, "--ci", "ci", GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "ci") == PLAIN
    assert verdict(tmp_path / "ci") == "no-baseline\n"
    assert (tmp_path / "summary.md").read_text() == (tmp_path / "ci" / "comment.md").read_text()
    assert "report: ci/report.json" in done.stdout


def test_comparison_is_kept_and_a_regression_is_exit_code_1(measured, report, tmp_path):
    write_report(report, tmp_path / "before.json")
    done = measured(larger(report), "--ci", "ci", "--against", "before.json")
    assert done.returncode == 1
    assert files(tmp_path / "ci") == {*PLAIN, "comparison.json", "comparison.xml"}
    assert verdict(tmp_path / "ci") == "worse\n"
    findings = json.loads((tmp_path / "ci" / "comparison.json").read_text())["findings"]
    assert {each["metric"] for each in findings if each["is_regression"]} == {"size_bytes"}
    assert "regression" in done.stdout
    assert measured(larger(report), "--against", "before.json", "--margin", "size_bytes=off").returncode == 0


def test_what_could_not_be_judged_is_not_called_fine(measured, report, tmp_path):
    write_report(report, tmp_path / "before.json")
    done = measured(changed(report, cpu_quota=0.5), "--ci", "ci", "--against", "before.json")
    assert done.returncode == 0
    assert verdict(tmp_path / "ci") == "incomparable\n"
    assert "No regression in what could be judged" in (tmp_path / "ci" / "comment.md").read_text()
    assert "CPU quota (none | 0.5)" in " ".join(done.stdout.split())


def test_accuracy_that_could_not_be_judged_is_not_called_fine(measured, report, tmp_path):
    write_report(report, tmp_path / "before.json")
    other = msgspec.structs.replace(changed(report), data=msgspec.structs.replace(report.data, fingerprint="f" * 64))
    done = measured(other, "--ci", "ci", "--against", "before.json")
    assert done.returncode == 0
    assert verdict(tmp_path / "ci") == "incomparable\n"
    comparison = json.loads((tmp_path / "ci" / "comparison.json").read_text())
    assert any(reason.startswith("accuracy is not judged") for reason in comparison["incomparable"])
    judged = {each["metric"] for each in comparison["findings"]}
    assert "size_bytes" in judged
    assert not judged & {"top1", "agreement", "answers"}
    assert measured(changed(report), "--ci", "same", "--against", "before.json").returncode == 0
    assert verdict(tmp_path / "same") != "incomparable\n"


def test_a_baseline_may_lie_where_the_new_report_will(measured, report, tmp_path):
    assert measured(report, "--ci", "ci").returncode == 0
    done = measured(larger(report), "--ci", "ci", "--against", "ci/report.json")
    assert (done.returncode, verdict(tmp_path / "ci")) == (1, "worse\n")


def test_a_baseline_in_the_folder_is_taken_by_itself(measured, report, tmp_path):
    (tmp_path / "ci").mkdir()
    write_report(report, tmp_path / "ci" / "baseline.json")
    assert measured(larger(report), "--ci", "ci").returncode == 1


def test_nothing_of_an_earlier_run_stays_beside_a_new_report(measured, report, tmp_path):
    write_report(report, tmp_path / "before.json")
    measured(larger(report), "--ci", "ci", "--against", "before.json")
    assert measured(report, "--ci", "ci").returncode == 0
    assert files(tmp_path / "ci") == PLAIN
    interrupted = msgspec.structs.replace(report, run=msgspec.structs.replace(report.run, status="interrupted"))
    assert measured(interrupted, "--ci", "ci").returncode == 130
    assert files(tmp_path / "ci") == {"report.json"}


def test_cases_that_were_not_chosen_have_not_vanished(measured, report, tmp_path):
    write_report(report, tmp_path / "before.json")
    part = msgspec.structs.replace(
        changed(report),
        results=tuple(each for each in report.results if each.variant == "fp32"),
        metrics=tuple(each for each in report.metrics if "fp32" in each.case),
        distances=(),
        controls=(),
    )
    assert "vanished" not in measured(part, "--against", "before.json", "--only", "fp32").stdout
    assert "vanished" in measured(part, "--against", "before.json").stdout


@pytest.mark.parametrize("fault", [HarnessError("no"), RuntimeError("a font is missing")])
def test_a_page_that_cannot_be_made_takes_nothing_else_with_it(measured, report, tmp_path, monkeypatch, fault):
    def fail(_):
        raise fault

    monkeypatch.setattr(report_page, "report_page", fail)
    done = measured(report, "--ci", "ci")
    assert done.returncode == 0
    assert files(tmp_path / "ci") == PLAIN - {"report.html"}
    assert (
        f"ci/report.html was not made: {'' if isinstance(fault, HarnessError) else 'RuntimeError: '}{fault}"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ci", "ci", "--out", "elsewhere"], "--ci and --out exclude each other"),
        (["--ci", "ci", "--against", "missing.json"], "missing.json does not exist"),
        (["--ci", "file"], "Directory 'file' is a file"),
        (["--against", SAVED, "--margin", "nonesuch=1%"], "names no metric that can be judged"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_measured(crossrt, monkeypatch, tmp_path, arguments, said):
    def never(*_):
        raise AssertionError("it was measured")

    monkeypatch.setattr("crossrt.harness.run.bench.run_bench", never)
    (tmp_path / "file").write_text("")
    done = crossrt("bench", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert files(tmp_path) == {"file"}
