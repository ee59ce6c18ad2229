"""Versions, and how much is said on standard error."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from crossrt.cli.main import cli
from crossrt.runtimes.registry import SHIPPED

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"


def test_the_version_names_python_and_every_runtime_without_importing_one(crossrt, monkeypatch):
    for name in ("onnxruntime", "ai_edge_litert", "openvino"):
        monkeypatch.setitem(__import__("sys").modules, name, None)  # an import would fail
    lines = crossrt("--version").stdout.splitlines()
    assert lines[0] == f"crossrt, version {version('crossrt')}"
    assert any(line.startswith(f"onnxruntime {version('onnxruntime')}: ort-cpu") for line in lines)
    assert [name for line in lines[2:] for name in line.partition(": ")[2].split(", ")][:1] == ["ort-cpu"]
    assert {name for line in lines[2:] for name in line.partition(": ")[2].split(", ")} == SHIPPED.keys()


def test_quiet_leaves_out_remarks_and_keeps_results_and_errors(crossrt, tmp_path):
    page = tmp_path / "run.csv"
    assert "csv: " in crossrt("report", REPORT, "--to", "csv", "--out", page).stderr
    assert crossrt("report", "-q", REPORT, "--to", "csv", "--out", page).stderr == ""
    assert crossrt("show", "-q", REPORT).stdout == crossrt("show", REPORT).stdout
    assert "does not exist" in crossrt("show", "--quiet", tmp_path / "none.json").stderr


@pytest.mark.parametrize("options", [("-v",), ("--log-level", "info")])
def test_files_are_logged_where_that_was_asked_for(crossrt, options):
    assert f"INFO crossrt.files: reading {REPORT}" in crossrt("show", *options, REPORT).stderr
    assert "crossrt.files" not in crossrt("show", REPORT).stderr
    assert logging.getLogger("crossrt").handlers == []


def leaves(command: click.Command, path: tuple[str, ...] = ()):
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from leaves(each, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(cli))
WRITERS = [("report",), ("fleet", "plan"), ("history", "export")]
"""Commands that write files, in formats of their own."""


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_that_prints_a_result_prints_it_as_json(path):
    options = {name for parameter in COMMANDS[path].params for name in parameter.opts}
    assert {"-v", "-q", "--log-level"} <= options
    assert "--json" in options or path in WRITERS


def test_what_a_history_did_is_json_where_that_was_asked_for(crossrt, tmp_path):
    history = f"--history={tmp_path / 'runs.sqlite'}"
    done = json.loads(crossrt("history", "add", REPORT, history, "--json").stdout)
    assert done["lines"][-1].startswith("1 added; history: ")
