"""Which file is meant by what a user names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import crossrt
from crossrt.core.errors import CrossrtError
from crossrt.harness.errors import HarnessError
from crossrt.harness.run.saved_runs import NAMES, report_in

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
    with pytest.raises(CrossrtError, match="truncated"):  # an empty file
        crossrt.load_report("previous")
    with pytest.raises(HarnessError, match="holds 3 runs: name one of them"):
        crossrt.load_report("results")
