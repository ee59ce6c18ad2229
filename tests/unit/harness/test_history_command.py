"""`crossrt history` as a command, on both databases: what it prints, exit codes, and what it imports."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.console import Console

from crossrt.cli.shared import options
from crossrt.reports.schema.files import read_report, write_report

DATA = Path(__file__).parents[2] / "data"
REPORT = DATA / "report-v1.json"
HEAVY = {"sqlalchemy", "alembic", "ruptures", "psycopg", "matplotlib"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def crossrt(request, crossrt, monkeypatch):
    """Runs the command with a history of its own."""
    monkeypatch.delenv("CROSSRT_HISTORY", raising=False)
    if request.param == "postgresql":
        monkeypatch.setenv("CROSSRT_HISTORY", request.getfixturevalue("postgresql_url"))
    return crossrt


def at(day, factor=1.0, **environment):
    """The sample, run on another day, with one case slower."""
    report = read_report(REPORT)
    slower = report.results[0]
    rounds = tuple(
        msgspec.structs.replace(
            each, blocks_ns=tuple(tuple(round(call * factor) for call in block) for block in each.blocks_ns)
        )
        for each in slower.rounds
    )
    metrics = tuple(
        msgspec.structs.replace(each, value=each.value * factor, lower=msgspec.UNSET, upper=msgspec.UNSET)
        if each.case == slower.case and each.name.startswith("latency")
        else each
        for each in report.metrics
    )
    moment = f"2026-03-{day:02}T10:00:00+00:00"
    revision = {"git_revision": f"{day:07}" + 33 * "a", "git_dirty": False} | environment
    return msgspec.structs.replace(
        report,
        run=msgspec.structs.replace(report.run, id=f"run-{day:02}", started_at=moment, finished_at=moment),
        results=(msgspec.structs.replace(slower, rounds=rounds), *report.results[1:]),
        metrics=metrics,
        environment=msgspec.structs.replace(report.environment, **revision),
    )


@pytest.fixture
def twenty():
    """Twenty runs; the first case takes 10% more from the thirteenth on, and some percent more or less each day."""
    for day in range(1, 21):
        report = at(day, (1.1 if day > 12 else 1.0) * (1 + 0.004 * (day * 7 % 5 - 2)))
        write_report(report, Path("runs") / f"{day}" / "report.json")


def test_a_user_adds_looks_and_judges(crossrt, twenty):
    code, output, _ = crossrt("history", "add", "runs")
    assert (code, output.startswith("20 added; history: ")) == (0, True)
    assert crossrt("history", "add", "runs")[1].startswith("0 added, 20 already there")
    code, output, _ = crossrt("history", "list", "--limit", 3)
    assert "the newest 3 of 20 runs" in output
    assert output.index("run-20") < output.index("run-18")
    code, output, _ = crossrt("history", "trend", "latency_p50_ns", "--case", "fp32@ort")
    assert "1 change of p50 in 1 of 1 case, 1 to the worse." in output
    assert "0000012..0000013" in output
    write_report(at(25, 1.5), Path("slow.json"))
    code, output, _ = crossrt("history", "gate", "slow.json", "--last", 8)
    assert (code, output.startswith("1 regression in 1 case")) == (1, True)
    write_report(at(26, 1.1), Path("fine.json"))
    assert crossrt("history", "gate", "fine.json", "--last", 8)[0] == 0


def test_formats_are_what_they_are_called(crossrt, twenty, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    crossrt("history", "add", "runs")
    assert json.loads(crossrt("history", "list", "--format", "json")[1])[0]["run"] == "run-20"
    shown = json.loads(crossrt("history", "show", "run-07", "--format", "json")[1])
    assert (shown["run"]["id"], shown["file"]) == ("run-07", "there")
    trend = json.loads(crossrt("history", "trend", "latency_p50_ns", "--format", "json")[1])
    assert [len(case["steps"]) for case in trend["cases"]] == [1, 0, 0]
    write_report(at(25, 1.5), Path("slow.json"))
    assert json.loads(crossrt("history", "gate", "slow.json", "--format", "json")[1])["findings"][0]["word"] == "slower"
    suite = ET.fromstring(crossrt("history", "gate", "slow.json", "--format", "junit")[1])
    assert (suite.get("name"), suite.get("failures")) == ("crossrt history gate", "1")
    assert crossrt("history", "gate", "slow.json", "--format", "markdown")[1].startswith("### crossrt history gate")
    assert "### crossrt history gate" in Path("summary.md").read_text()
    assert crossrt("history", "export")[1].startswith("run,started_at,case,")
    assert crossrt("history", "export", "--format", "jsonl", "--out", "all.jsonl")[:2] == (0, "")
    assert len(Path("all.jsonl").read_text().splitlines()) == 20 * len(at(1).metrics)


def test_a_run_is_shown_as_it_was(crossrt, twenty):
    crossrt("history", "add", "runs")
    code, output, _ = crossrt("history", "show", "run-07")
    assert (code, "run run-07, complete" in output, "raw samples: " in output) == (0, True, True)
    Path("runs/7/report.json").write_text("{}")
    assert "has CHANGED since it was added" in " ".join(crossrt("history", "show", "run-07")[1].split())
    Path("runs/7/report.json").unlink()
    assert "is MISSING" in " ".join(crossrt("history", "show", "run-07")[1].split())
    assert crossrt("history", "show", "run-07")[1].count("fp32@ort-cpu") >= 3


def test_a_page_is_written(crossrt, twenty):
    crossrt("history", "add", "runs")
    code, output, errors = crossrt("history", "trend", "latency_p50_ns", "--html", "trend.html")
    assert (code, "page: trend.html" in output, errors) == (0, True, "")
    page = Path("trend.html").read_text()
    assert "0000012..0000013" in page
    assert page.count("<svg") == 3


def test_what_is_refused_is_named_and_the_rest_is_added(crossrt, twenty):
    Path("runs/3/report.json").write_text("{}")
    code, output, errors = crossrt("history", "add", "runs")
    assert (code, output.startswith("19 added, 1 refused")) == (2, True)
    assert "not added: runs/3/report.json is not a crossrt report" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "Missing argument"),
        (["add", "none"], "does not exist"),
        (["add", REPORT, "--history", "mysql://u:secret@h/d"], "a history cannot be kept at mysql://"),
        (["show", "zzz"], "no run of the history begins with 'zzz'"),
        (["show", os.fsdecode(b"\xff")], "a history keeps text in UTF-8, which this is not"),
        (["list", "--environment", os.fsdecode(b"\xff")], "a history keeps text in UTF-8, which this is not"),
        (["remove", "zzz"], "no run of the history begins with 'zzz'"),
        (["remove", "run-1"], "several runs begin with 'run-1'"),
        (["show", "run-"], "several runs begin with 'run-': run-20, run-19, run-18, run-17, run-16; name one"),
        (["trend", "latency"], "did you mean latency_"),
        (["trend", "top1", "--case", "zzz"], "no case of the history matches 'zzz'"),
        (["trend", "top1", "--last", "1"], "is not in the range"),
        (["list", "--environment", "zzz"], "no environment of the history begins with 'zzz'"),
        (["gate", "none.json"], "none.json does not exist"),
        (["gate", REPORT, "--margin", "p50"], "is not written"),
        (["list", "--history", "none.sqlite"], "there is no history none.sqlite yet: crossrt history add REPORT"),
        (["list", "--history", "."], "is a folder: name a file in it"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_code_2(crossrt, twenty, arguments, message):
    crossrt("history", "add", "runs")
    code, _, errors = crossrt("history", *arguments)
    assert code == 2
    assert message in " ".join(errors.split())
    assert "Traceback" not in errors
    assert "secret" not in errors


def test_adding_shows_a_bar_where_somebody_looks(crossrt, twenty, monkeypatch):
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(options, "message_console", lambda: screen)
    Path("runs/3/report.json").write_text("{}")
    _, output, errors = crossrt("history", "add", "runs")
    assert output.startswith("19 added, 1 refused")
    assert "not added: runs/3/report.json" in errors
    assert "20/20" in screen.file.getvalue()


def test_a_run_that_was_a_mistake_is_taken_out_and_may_come_back(crossrt, twenty):
    crossrt("history", "add", "runs")
    code, output, _ = crossrt("history", "remove", "run-07")
    assert (code, output.startswith("run run-07 removed; its report stays where it was: ")) == (0, True)
    assert Path("runs/7/report.json").exists()
    assert crossrt("history", "show", "run-07")[0] == 2
    assert "of 19 runs" in crossrt("history", "list", "--limit", 3)[1]
    assert len(crossrt("history", "export", "--format", "jsonl")[1].splitlines()) == 19 * len(at(1).metrics)
    assert crossrt("history", "add", "runs")[1].startswith("1 added, 19 already there")
    assert crossrt("history", "show", "run-07")[0] == 0


def test_copies_say_what_they_did(crossrt, twenty):
    crossrt("history", "add", "runs")
    assert crossrt("history", "copy", "other.sqlite")[1] == "20 copied; history: other.sqlite\n"
    assert crossrt("history", "copy", "other.sqlite")[1].startswith("0 copied, 20 already there")
    assert "run-20" in crossrt("history", "list", "--history", "other.sqlite")[1]


def imported_by(*arguments, cwd):
    source = (
        "import sys, contextlib, io\nfrom crossrt.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main()\nprint(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", source, *map(str, arguments)]
    return set(subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["history", "--help"], ["show", REPORT], ["history", "add", "--help"]]
)
def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path, arguments):
    assert not imported_by(*arguments, cwd=tmp_path) & HEAVY


def test_a_missing_package_comes_with_its_install_command(tmp_path):
    absent = tmp_path / "absent" / "sqlalchemy"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text("raise ModuleNotFoundError('gone', name='sqlalchemy')\n")
    command = [sys.executable, "-P", "-c", "import sys; from crossrt.cli.main import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "history", "add", str(REPORT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(absent.parent)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("crossrt: sqlalchemy is not installed: ")
    assert done.stderr.endswith(" install alembic ruptures sqlalchemy\n")


def test_a_reader_who_waits_keeps_nobody_from_adding_runs(crossrt, tmp_path, monkeypatch):
    """A pager stands still in the middle of the export, and another process writes meanwhile."""
    if "CROSSRT_HISTORY" in os.environ:
        pytest.skip("readers of PostgreSQL never block writers")
    write_report(at(1), tmp_path / "1.json")
    assert crossrt("history", "add", "1.json", "--history", "h.sqlite")[0] == 0
    written = []

    def write_once(*_, **__):
        if not written:
            with closing(sqlite3.connect(tmp_path / "h.sqlite", timeout=0.5)) as other, other:
                written.append(other.execute("UPDATE runs SET path = 'elsewhere'").rowcount)

    monkeypatch.setattr("crossrt.cli.commands.history.export.click.echo", write_once)
    code, _, errors = crossrt("history", "export", "--history", "h.sqlite")
    assert (code, written) == (0, [1]), errors
