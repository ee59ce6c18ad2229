"""`crossrt report --to` as a command: where files go, what is refused, and that nothing is half written."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from crossrt.reports.exchange.registry import FORMATS
from crossrt.reports.schema.files import read_report, write_report

DATA = Path(__file__).parents[2] / "data"
REPORT = DATA / "report-v1.json"


@pytest.fixture
def changed(tmp_path):
    """Writes the sample with another part of it, and returns where."""

    def write(name, **parts):
        report = read_report(REPORT)
        for part, fields in parts.items():
            replaced = msgspec.structs.replace(getattr(report, part), **fields)
            report = msgspec.structs.replace(report, **{part: replaced})
        write_report(report, tmp_path / name)
        return tmp_path / name

    return write


def test_text_goes_to_standard_output(crossrt):
    done = crossrt("report", REPORT, "--to", "bencher")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["mnist-cnn.fp32@tflite/b1/t1"]["latency"]["value"] > 0


def test_a_file_is_written_where_out_says_and_its_place_is_told(crossrt, tmp_path):
    done = crossrt("report", REPORT, "--to", "csv", "--out", "new/run.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "csv: new/run.csv\n")
    assert (tmp_path / "new" / "run.csv").read_text() == crossrt("report", REPORT, "--to", "csv").stdout


def test_a_folder_of_a_run_is_a_report_too(crossrt, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(REPORT, tmp_path / "run" / "report.json")
    assert crossrt("report", "run", "--to", "junit").stdout == crossrt("report", REPORT, "--to", "junit").stdout


def test_several_runs_go_into_one_table(crossrt, changed):
    done = crossrt("report", REPORT, changed("later.json", run={"id": "later"}), "--to", "csv")
    runs = {line["run"] for line in csv.DictReader(io.StringIO(done.stdout))}
    assert runs == {"20261121T074336Z-6e9b", "later"}


def test_formats_of_several_files_make_a_folder(crossrt, tmp_path):
    assert crossrt("report", REPORT, "--to", "github-action-benchmark", "--out", "charts").returncode == 0
    assert sorted(path.name for path in (tmp_path / "charts").iterdir()) == [
        "bigger-is-better.json",
        "smaller-is-better.json",
    ]


def test_show_and_report_write_the_same_file_for_pytest_benchmark(crossrt):
    shown = crossrt("show", REPORT, "--format", "pytest-benchmark").stdout
    assert shown == crossrt("report", REPORT, "--to", "pytest-benchmark").stdout


def test_an_interrupted_run_is_converted_and_called_one(crossrt, changed):
    done = crossrt("report", changed("cut.json", run={"status": "interrupted"}), "--to", "bencher")
    assert done.returncode == 0
    assert "was interrupted: it has fewer rounds" in done.stderr


def test_uncommitted_changes_are_told_where_results_stand_under_a_commit(crossrt, tmp_path):
    (tmp_path / "asv").mkdir()
    (tmp_path / "asv" / "asv.conf.json").write_text('{"version": 1, "repo": ".."}')
    assert "uncommitted changes" in crossrt("report", REPORT, "--to", "asv", "--out", "asv").stderr
    assert "uncommitted changes" not in crossrt("report", REPORT, "--to", "csv").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", REPORT, "--to", "csv", "--markdown"], "--to stands alone"),
        (["report", REPORT, "--to", "csv", "--margin", "top1=1%"], "--to stands alone"),
        (["report", REPORT, "--out", "x"], "--out goes with --to"),
        (["report", "--to", "csv"], "Missing argument 'REPORT...'"),
        (["report", REPORT, "--to", "nonesuch"], "'nonesuch' is not a format; available: asv, bencher"),
        (["report", REPORT, REPORT, "--to", "bencher"], "bencher holds one run, and 2 reports were given"),
        (["report", REPORT, "--to", "asv"], "asv makes several files: name their folder with --out"),
        (["report", REPORT, "--to", "parquet"], "parquet is not text: name a file with --out"),
        (["report", "missing.json", "--to", "csv"], "missing.json does not exist"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(crossrt, arguments, message):
    done = crossrt(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_ab_comparison_is_refused_with_a_way_out(crossrt, tmp_path):
    (tmp_path / "duel.json").write_text('{"schema_version": 1, "kind": "duel"}')
    done = crossrt("report", "duel.json", "--to", "csv")
    assert done.returncode == 2
    assert "duel.json is an A/B comparison" in done.stderr
    assert "a.json and b.json beside it are reports of its sides" in done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_written_where_something_is_wrong(crossrt, tmp_path, name):
    (tmp_path / "damaged.json").write_bytes(REPORT.read_bytes()[:-100])
    done = crossrt("report", "damaged.json", "--to", name, "--out", "out")
    assert done.returncode == 2
    assert not (tmp_path / "out").exists()


def test_one_report_that_does_not_fit_stops_all(crossrt, tmp_path, changed):
    without = changed("without.json", environment={"git_revision": None})
    done = crossrt("report", REPORT, without, "--to", "asv", "--out", "asv")
    assert done.returncode == 2
    assert "is none: run crossrt bench inside a git repository" in done.stderr
    assert not (tmp_path / "asv").exists()


def test_a_file_in_the_way_of_a_folder_is_left_alone(crossrt, tmp_path):
    (tmp_path / "charts").write_text("mine")
    done = crossrt("report", REPORT, "--to", "github-action-benchmark", "--out", "charts")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert (tmp_path / "charts").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_is_left_alone(crossrt, tmp_path):
    (tmp_path / "run.csv").mkdir()
    done = crossrt("report", REPORT, "--to", "csv", "--out", "run.csv")
    assert done.returncode == 2
    assert "Is a directory" in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "run.csv"]


def test_every_format_is_in_the_help(crossrt):
    printed = crossrt("report", "--help").stdout
    assert all(f"{name} " in printed and each.summary in printed for name, each in FORMATS.items())
