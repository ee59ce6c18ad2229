"""Which file is meant by what a user names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
import pytest

import crossrt
from crossrt.cli.shared.max_drop import DropRange
from crossrt.core.errors import CrossrtError
from crossrt.harness.errors import HarnessError
from crossrt.harness.run.saved_runs import NAMES, report_in
from crossrt.reports.schema.folders import report_files

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, name in (("20260101T000000Z-aaaa", "report.json"), ("20260102T000000Z-bbbb", "report.json"),
                      ("20260103T000000Z-cccc", "duel.json")):  # fmt: skip
        path = tmp_path / "results" / run / name
        path.parent.mkdir(parents=True)
        path.touch()
    return tmp_path / "results"


def test_the_newest_run_and_the_one_before_it_have_names(results):
    assert report_in(Path("latest")).parent.name == "20260102T000000Z-bbbb"
    assert report_in(Path("previous")).parent.name == "20260101T000000Z-aaaa"
    assert report_in(Path("latest"), NAMES) == Path("results/20260103T000000Z-cccc/duel.json")


def test_a_packed_report_is_found_in_its_folder_where_there_is_no_plain_one(results):
    plain = results / "20260102T000000Z-bbbb" / "report.json"
    packed = plain.rename(plain.with_name("report.json.xz"))
    assert report_in(Path("latest")) == packed.relative_to(results.parent)
    assert report_files([results]) == [results / "20260101T000000Z-aaaa" / "report.json", packed]
    plain.touch()
    assert report_in(plain.parent) == plain
    assert plain in report_files([results])
    assert packed not in report_files([results])


def test_a_file_of_that_name_comes_first(results, tmp_path):
    (tmp_path / "latest").touch()
    assert report_in(Path("latest")) == Path("latest")


def test_without_such_a_run_it_is_said_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HarnessError, match=r"previous is the run before the newest in .*results, which holds 0"):
        report_in(Path("previous"))


def test_python_knows_the_words_too(results, tmp_path):
    shutil.copy(REPORT, results / "20260102T000000Z-bbbb" / "report.json")
    assert crossrt.load_report("latest") == crossrt.load_report(REPORT)
    with pytest.raises(CrossrtError, match="it is empty"):
        crossrt.load_report("previous")
    with pytest.raises(HarnessError, match="holds 3 runs: name one of them"):
        crossrt.load_report("results")


@pytest.mark.parametrize(("kept", "said"), [("search.json", "shows the search in it"), (None, "or the file itself")])
def test_a_folder_without_a_report_is_said_to_hold_none_and_what_shows_it(tmp_path, kept, said):
    if kept is not None:
        (tmp_path / kept).write_text("{}")
    with pytest.raises(HarnessError, match=f"{tmp_path} holds no report.json: name the folder of a run, .*{said}$"):
        report_in(tmp_path)


@pytest.mark.parametrize(("written", "share"), [("0.2", 0.2), ("0.5pp", 0.5), ("1%", 1.0), ("0.3 pp", 0.3)])
def test_a_loss_is_written_alike_in_all_commands(written, share):
    assert DropRange(0, 100).convert(written, None, None) == share


@pytest.mark.parametrize("written", ["0.2%%", "pp", "", "two"])
def test_what_is_no_loss_is_quoted_as_it_was_written(written):
    with pytest.raises(click.BadParameter, match=re.escape(f"{written!r} is not a loss: write it like 0.2")):
        DropRange(0, 100).convert(written, None, None)
