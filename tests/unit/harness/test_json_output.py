"""Every command that prints a result prints it as JSON too."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec
import pytest

from crossrt.cli.main import cli
from crossrt.reports.schema.files import read_duel, read_report

REPORT = Path(__file__).parents[2] / "data" / "report-v1.json"
WITHOUT = {"train", "report", "plan", "add", "remove", "prune", "copy", "export"}
"""They write files, or change a history."""


def commands(group, prefix=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


def test_every_command_that_prints_a_result_has_json():
    lacking = {
        " ".join(path)
        for path, command in commands(cli)
        if path[-1] not in WITHOUT
        and not any(
            "--json" in each.opts or (isinstance(each.type, click.Choice) and "json" in each.type.choices)
            for each in command.params
        )
    }
    assert lacking == set()


@pytest.mark.parametrize(
    ("arguments", "column"),
    [
        (("pareto", REPORT), "beaten by, in"),
        (("recipes",), "what it does"),
        (("runtimes",), "state"),
        (("audit", "models/conv.int8-io.tflite"), "verdict"),
        (("explain", "int8-io@tflite", "--artifacts", "models"), "delegate"),
    ],
    ids=lambda each: each if isinstance(each, str) else each[0],
)
@pytest.mark.usefixtures("without_tensorflow")
def test_tables_come_with_all_columns_and_nothing_else_is_printed(crossrt, folder, arguments, column):
    done = crossrt(*arguments, "--json", COLUMNS="40")
    found = json.loads(done.stdout)
    assert found["schema_version"] == 1
    table = found["tables"][0]
    assert column in table["columns"]
    assert table["rows"]
    assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_cautions_stand_by_themselves(crossrt, folder):
    done = crossrt("diagnose", "models/conv.int8-io.tflite", "--float", "models/conv.fp32.tflite", "--json")
    found = json.loads(done.stdout)
    assert found["cautions"] == ["inputs are random: give --data DATA to see real ones"]
    assert any("compared with" in line for line in found["lines"])


@pytest.mark.processes
@pytest.mark.usefixtures("short_duels")
@pytest.mark.parametrize(
    ("arguments", "read", "last"),
    [
        (("bench", "--rounds", 1, "--only", "fp32@ort", "--ci", "ci"), read_report, "verdict: "),
        (("duel", "fp32@ort-cpu", "fp32@ort-cpu", "--budget", 1), read_duel, "duel: "),
    ],
)
def test_a_measurement_prints_its_report_and_says_the_rest_aside(crossrt, folder, tmp_path, arguments, read, last):
    done = crossrt(*arguments, "--artifacts", folder, "--batch", 1, "--json")
    assert done.returncode == 0, done.stderr
    (path,) = (each for each in tmp_path.rglob("*.json") if each.name in ("report.json", "duel.json"))
    assert json.loads(done.stdout) == json.loads(msgspec.json.encode(read(path)))
    assert "fp32@ort-cpu" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(last)
