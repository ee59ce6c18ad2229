"""`crossrt report`: what it makes, what it refuses, what it imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"
MAIN = "import sys; from crossrt.cli.main import main; sys.exit(main())"
HEAVY = {"matplotlib", "jinja2", "sqlalchemy", "onnxruntime", "ai_edge_litert", "tensorflow", "onnx"}


def crossrt(*arguments, cwd, **variables):
    command = [sys.executable, "-P", "-c", MAIN, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables})


def test_page_and_plots_are_written(tmp_path):
    done = crossrt("report", REPORT, "--html", "out/page.html", "--svg", "plots", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "page.html").read_text().startswith("<!DOCTYPE html>")
    written = sorted((tmp_path / "plots").iterdir())
    assert [f"plot: plots/{path.name}" for path in written] == sorted(
        line for line in done.stderr.splitlines() if line.startswith("plot")
    )


CURVES = (
    '{"epoch":0,"train":null,"validation":{"loss":0.5,"metric":0.8},"learning_rate":0.001}\n'
    '{"epoch":1,"train":{"loss":0.4,"metric":0.85},"validation":{"loss":0.3,"metric":0.9},"learning_rate":0.0}\n'
)


def test_a_training_stands_for_its_curves(tmp_path):
    (tmp_path / "qat").mkdir()
    (tmp_path / "qat" / "curves.jsonl").write_text(CURVES)
    done = crossrt("report", "qat", "--html", "page.html", "--png", "drawn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["plot: drawn/curves.png", "page: page.html"]
    assert "epoch 1: training accuracy 85.00%" in (tmp_path / "page.html").read_text()
    refused = crossrt("report", "qat", "--markdown", cwd=tmp_path)
    assert (refused.returncode, "is a training: --html, --png and --svg" in refused.stderr) == (2, True)
    (tmp_path / "qat" / "curves.jsonl").write_text(CURVES + '{"epoch":2,"tr')
    cut = crossrt("report", "qat", "--png", "drawn", cwd=tmp_path)
    assert cut.stderr.splitlines()[0] == "note: line 3 of qat/curves.jsonl is only half written and left out"
    assert cut.returncode == 0


def test_a_training_without_an_epoch_has_no_curves_yet(tmp_path):
    (tmp_path / "curves.jsonl").write_text("")
    done = crossrt("report", "curves.jsonl", "--png", "drawn", cwd=tmp_path)
    assert (done.returncode, "holds no epoch yet" in done.stderr) == (2, True)


def test_plots_with_a_file_in_the_way_are_one_error_and_nothing_is_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = crossrt("report", REPORT, "--png", "plots", "--svg", "file/plots", cwd=tmp_path)
    assert done.returncode == 2
    assert "file/plots" in done.stderr
    assert "cannot be written" in done.stderr
    assert not list(tmp_path.glob("plots/*"))


def test_an_output_that_cannot_be_written_takes_no_other_with_it(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = crossrt("report", REPORT, "--markdown", "--html", "file/page.html", "--svg", "plots", cwd=tmp_path)
    assert done.returncode == 2
    assert "file/page.html" in done.stderr
    assert done.stdout.startswith("<!-- crossrt report -->")
    assert list(tmp_path.glob("plots/*.svg"))


def test_window_system_that_matplotlib_would_open_plays_no_part(tmp_path):
    done = crossrt("report", REPORT, "--html", "page.html", cwd=tmp_path, MPLBACKEND="nonesuch")
    assert done.returncode == 0, done.stderr


def test_second_report_is_compared_with_the_first(tmp_path):
    done = crossrt("report", REPORT, REPORT, "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'id="verdicts"' in (tmp_path / "page.html").read_text()


def test_comment_is_printed_and_added_to_the_summary_of_the_job(tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    done = crossrt("report", REPORT, "--markdown", cwd=tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!-- crossrt report -->\n### crossrt: ")
    assert summary.read_text() == "before\n" + done.stdout


def test_summary_that_cannot_be_written_is_told_and_changes_nothing(tmp_path):
    done = crossrt("report", REPORT, "--markdown", cwd=tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path))
    assert done.returncode == 0
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([REPORT], "say what to make"),
        ([REPORT, REPORT, REPORT, "--markdown"], "3 reports were given"),
        (["missing.json", "--markdown"], "missing.json does not exist"),
        ([REPORT, REPORT, "--markdown", "--margin", "nonsense"], "is not written"),
        (["--markdown"], "Missing argument"),
        ([REPORT, "--html", "/proc/page.html"], "cannot be written"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(tmp_path, arguments, message):
    done = crossrt("report", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_page_that_cannot_be_written_leaves_the_old_one(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    damaged = tmp_path / "report.json"
    damaged.write_bytes(REPORT.read_bytes()[:-50])
    assert crossrt("report", damaged, "--html", page, cwd=tmp_path).returncode == 2
    assert page.read_text() == "old"


@pytest.mark.parametrize("arguments", [["report", REPORT, "--markdown"], ["compare", REPORT, REPORT], ["show", REPORT]])
def test_text_needs_neither_plotting_nor_database_nor_runtime(tmp_path, arguments):
    source = (
        "import sys, contextlib, io\nfrom crossrt.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()\nprint(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", source, *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & HEAVY


def test_folder_of_one_run_is_that_run(tmp_path):
    run = tmp_path / "results" / "only"
    run.mkdir(parents=True)
    (run / "report.json").write_bytes(REPORT.read_bytes())
    assert crossrt("report", "results", "--markdown", cwd=tmp_path).returncode == 0
    (tmp_path / "results" / "other").mkdir()
    (tmp_path / "results" / "other" / "report.json").write_bytes(REPORT.read_bytes())
    done = crossrt("report", "results", "--markdown", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds 2 runs" in done.stderr


def test_names_of_any_length_have_a_page_plots_and_files_of_other_tools(tmp_path):
    """File names of plots are made of metrics and scenarios, never of variants."""
    long = "onnx-static-qoperator-uint8-asymmetric-" + "very-long-name-" * 12
    (tmp_path / "report.json").write_text(REPORT.read_text().replace("int8-qdq", long))
    done = crossrt("report", "report.json", "--html", "page.html", "--png", "plots", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert long in (tmp_path / "page.html").read_text()
    for name in ("csv", "junit"):
        done = crossrt("report", "report.json", "--to", name, "--out", f"out.{name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert long in (tmp_path / f"out.{name}").read_text()
