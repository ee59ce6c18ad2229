"""Files as every command takes them: what is not a file, words for runs, and JSON by either option."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import click
import pytest

from crossrt.cli.main import cli
from crossrt.core.errors import CrossrtError, DataError
from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.readers.labels import read_labels
from crossrt.harness.errors import HarnessError

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def crossrt(tmp_path, monkeypatch, capsys):
    """Runs a command in a folder with two runs; gives what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSRT_HISTORY", raising=False)
    for run in ("20260101T000000Z-aaaa", "20260102T000000Z-bbbb"):
        (tmp_path / "results" / run).mkdir(parents=True)
        shutil.copy(DATA / "report-v1.json", tmp_path / "results" / run / "report.json")

    def call(*arguments):
        with cli.make_context("crossrt", list(arguments)) as context:
            cli.invoke(context)
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    "arguments",
    ["show P", "compare P P", "pareto P", "report P --markdown", "compare latest latest --config P",
     "compare latest latest --history P", "history list --history P", "history gate P", "recipes --file P"],
)  # fmt: skip
def test_a_pipe_is_refused_where_a_file_is_read(crossrt, tmp_path, arguments):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises((CrossrtError, click.ClickException), match="not a regular file but a named pipe"):
        crossrt(*arguments.replace("P", "pipe").split())


@pytest.mark.parametrize("name", ["pipe.npz", "pipe.csv", "pipe.py:load"])
def test_data_that_are_a_pipe_are_refused(tmp_path, name):
    os.mkfifo(tmp_path / name.partition(":")[0])
    with pytest.raises(DataError, match="not a regular file but a named pipe"):
        open_dataset(DataRequest(reference=str(tmp_path / name)), None)


def test_labels_that_are_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "labels.npy")
    with pytest.raises(DataError, match="not a regular file but a named pipe"):
        read_labels(tmp_path / "labels.npy")


def test_words_for_runs_are_taken_by_all_that_reads_reports(crossrt):
    assert crossrt("history", "add", "previous").startswith("1 added")
    assert crossrt("history", "add", "latest").startswith("0 added, 1 already there")
    shutil.rmtree("results/20260101T000000Z-aaaa")
    with pytest.raises(HarnessError, match="previous is the run before the newest"):
        crossrt("compare", "latest", "latest", "--history", "previous")


@pytest.mark.parametrize(
    "arguments", ["show latest", "compare previous latest", "history list", "history trend latency_p50_ns",
                  "history show 2026", "history gate latest"],
)  # fmt: skip
def test_json_is_short_for_its_format(crossrt, arguments):
    crossrt("history", "add", "latest")
    line = arguments.split()
    printed = crossrt(*line, "--json")
    assert json.loads(printed) == json.loads(crossrt(*line, "--format", "json"))
    assert printed == crossrt(*line, "--json", "--format", "json")
    with pytest.raises(click.UsageError, match="--json and --format table exclude each other"):
        crossrt(*line, "--json", "--format", "table")


def test_a_format_on_the_command_line_wins_over_json_in_a_configuration(crossrt):
    Path("crossrt.toml").write_text("[compare]\njson = true\n")
    assert json.loads(crossrt("compare", "previous", "latest"))
    assert crossrt("compare", "previous", "latest", "--format", "junit").startswith("<?xml")
