from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from crossrt.cli.main import cli
from crossrt.fleet.errors import FleetError
from crossrt.fleet.joining.fleet import Machine, groups_of
from crossrt.fleet.joining.runs import choose_files
from crossrt.fleet.joining.sheets import machine_sheet, ship_sheet
from crossrt.fleet.joining.words import headline, notes
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.verdicts.choice.advice import Advice, Candidate

SAMPLE = Path(__file__).parents[2] / "data" / "report-v1.json"
DAY = "2026-10-{:02}T03:00:00+00:00"


@pytest.fixture(scope="module")
def sample():
    return read_report(SAMPLE)


@pytest.fixture
def write(sample, tmp_path):
    """Writes a run of a machine: a name, a processor, a day, a factor for the times of one case."""

    def make(name, cpu, *, day=1, slower=(), status="complete", factor=1.0, **fields):
        run = replace(sample.run, id=f"{name or cpu}-{day}", started_at=DAY.format(day), status=status)
        environment = replace(sample.environment, name=name, cpu_model=cpu)
        metrics = tuple(
            _scaled(each, factor) if each.case.startswith(slower or "none") else each for each in sample.metrics
        )
        report = replace(sample, run=run, environment=environment, metrics=metrics, **fields)
        path = tmp_path / "reports" / f"{name or cpu}-{day}" / "report.json"
        path.parent.mkdir(parents=True)
        write_report(report, path)
        return path

    return make


def _scaled(metric, factor):
    return replace(metric, value=metric.value * factor) if metric.unit == "ns" else metric


def test_of_each_machine_the_newest_complete_run_is_taken(write):
    paths = [write("epyc", "EPYC", day=day) for day in (1, 3, 2)]
    paths += [write("arm", "Neoverse", day=1), write("arm", "Neoverse", day=5, status="interrupted")]

    chosen = choose_files(paths)
    (group,) = groups_of(chosen)

    assert [(each.name, each.report.run.id, each.older) for each in group.machines] == [
        ("arm", "arm-1", 0),
        ("epyc", "epyc-3", 2),
    ]
    assert chosen.left_out == {"arm-5": "the run was interrupted"}
    assert "2 older runs of the same machines not shown" in notes(group)


def test_another_model_or_other_data_stand_in_a_table_of_their_own(write, sample):
    other = replace(sample.data, fingerprint="0" * 64)

    groups = groups_of(
        choose_files([write("epyc", "EPYC"), write("arm", "Neoverse"), write("xeon", "Xeon", data=other)])
    )

    assert [[each.name for each in group.machines] for group in groups] == [["arm", "epyc"], ["xeon"]]


def test_two_machines_of_one_name_are_told_apart_by_their_keys(write):
    (group,) = groups_of(choose_files([write("lab", "EPYC"), write("lab", "Xeon", day=2), write(None, "Neoverse")]))

    names = [each.name for each in group.machines]
    assert sum(name.startswith("lab-") for name in names) == 2
    assert len(set(names)) == 3


def test_machines_of_equal_hardware_are_told_apart_by_their_names(write):
    paths = [write(name, "EPYC", day=day) for name in ("rack-1", "rack-2") for day in (1, 2)]

    (group,) = groups_of(choose_files(paths))

    assert [(each.name, each.report.run.id, each.older) for each in group.machines] == [
        ("rack-1", "rack-1-2", 1),
        ("rack-2", "rack-2-2", 1),
    ]
    assert len({each.key for each in group.machines}) == 1


def test_runs_without_a_name_are_of_the_only_machine_of_that_hardware_with_one(write):
    paths = [write(None, "EPYC", day=2), write("rack-1", "EPYC", day=1), write(None, "Neoverse")]

    (group,) = groups_of(choose_files(paths))

    nameless, named = group.machines
    assert (named.name, named.report.run.id, named.older) == ("rack-1", "EPYC-2", 1)
    assert (nameless.name, nameless.older) == (nameless.key[:8], 0)


def test_runs_without_a_name_stand_alone_where_two_machines_have_that_hardware(write):
    paths = [write(name, "EPYC") for name in ("rack-1", "rack-2", None)]

    (group,) = groups_of(choose_files(paths))

    assert len({each.name for each in group.machines}) == 3
    assert not [line for line in notes(group) if "CROSSRT_MACHINE" in line]


def test_several_runs_without_a_name_may_be_of_several_machines_and_that_is_said(write):
    (group,) = groups_of(choose_files([write(None, "EPYC", day=day) for day in (1, 2)]))

    assert any("set CROSSRT_MACHINE on each" in line for line in notes(group))


def test_a_damaged_report_does_not_hide_the_others(write, tmp_path):
    damaged = tmp_path / "report.json"
    damaged.write_text('{"schema_version": 2')

    chosen = choose_files([write("epyc", "EPYC"), damaged])

    assert len(chosen.groups) == 1
    assert "not a crossrt report" in chosen.left_out[str(damaged)]


def test_where_nothing_can_be_joined_the_reasons_are_told(write):
    with pytest.raises(FleetError, match="the run was interrupted"):
        choose_files([write("epyc", "EPYC", status="interrupted")])


def test_a_report_of_version_1_is_joined(sample):
    (group,) = groups_of(choose_files([SAMPLE]))

    assert group.machines[0].report.run.id == sample.run.id


def test_runtime_versions_that_differ_are_noted(write, sample):
    older = tuple(replace(each, runtime_version="0.1") if each.runtime == "tflite" else each for each in sample.results)

    (group,) = groups_of(choose_files([write("epyc", "EPYC"), write("arm", "Neoverse", results=older)]))

    (told,) = [line for line in notes(group) if "not the same everywhere" in line]
    assert told.startswith("tflite")
    assert "0.1 on arm" in told


def test_a_version_that_was_asked_for_is_told_once(write, sample):
    asked = tuple(replace(each, runtime=f"{each.runtime}=={each.runtime_version}:a=b") for each in sample.results)

    (group,) = groups_of(choose_files([write("epyc", "EPYC", results=asked)]))

    (told,) = [row[3].text for row in machine_sheet(group).rows]
    assert set(told.split(", ")) == {each.runtime for each in asked if each.runtime_version}


def invoke(*arguments):
    return CliRunner().invoke(cli, ["fleet", "report", *map(str, arguments)], catch_exceptions=False)


def test_the_table_has_a_column_for_each_machine(write, tmp_path):
    write("epyc", "EPYC")
    write("arm", "Neoverse", slower="mnist-cnn", factor=3.0)

    result = invoke(tmp_path / "reports", "--json")

    assert result.exit_code == 0
    tables = json.loads(result.stdout)["tables"]
    times = next(each for each in tables if "on each machine" in each["title"] and each["columns"][0] == "case")
    assert times["columns"] == ["case", "arm", "epyc"]
    assert len(times["rows"]) == 3
    for _, arm, epyc in times["rows"]:
        assert float(arm.split()[0].replace(",", "").rstrip("*")) == pytest.approx(
            3 * float(epyc.split()[0].replace(",", "").rstrip("*")), rel=0.02
        )


def test_more_machines_than_columns_are_told_below_each_other(write, tmp_path):
    for name in "abcde":
        write(name, name)

    tables = json.loads(invoke(tmp_path / "reports", "--json").stdout)["tables"]

    assert any(each["columns"][:2] == ["case", "machine"] for each in tables)


def test_a_history_says_the_same_as_its_files(write, tmp_path):
    for name, cpu in (("epyc", "EPYC"), ("rack-2", "EPYC"), ("arm", "Neoverse")):
        write(name, cpu)
    history = tmp_path / "history.sqlite"
    CliRunner().invoke(cli, ["history", "add", str(tmp_path / "reports"), "--history", str(history)])

    of_files = json.loads(invoke(tmp_path / "reports", "--json").stdout)["tables"]
    of_history = json.loads(invoke("--history", history, "--json").stdout)["tables"]

    assert [(each["title"], each["columns"]) for each in of_history] == [
        (each["title"], each["columns"]) for each in of_files
    ]
    assert [row[:3] for row in of_history[0]["rows"]] == [row[:3] for row in of_files[0]["rows"]]


def test_the_page_names_every_machine(write, tmp_path):
    write("epyc", "EPYC")
    write("arm", "Neoverse <script>")

    invoke(tmp_path / "reports", "--html", tmp_path / "fleet.html")

    page = (tmp_path / "fleet.html").read_text()
    assert "epyc" in page
    assert "Neoverse &lt;script&gt;" in page
    assert "Neoverse <script>" not in page


def test_markdown_has_a_heading_for_each_table(write, tmp_path):
    write("epyc", "EPYC")

    text = invoke(tmp_path / "reports", "--format", "markdown").stdout

    assert text.startswith("## model mnist-cnn")
    assert "### Machines" in text


@pytest.mark.parametrize("arguments", [(), ("--history", "h.sqlite", SAMPLE)])
def test_reports_or_a_history_have_to_be_named(arguments):
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert "one of the two" in result.stderr


def test_the_same_choice_everywhere_is_one_sentence(write):
    (group,) = groups_of(choose_files([write("epyc", "EPYC"), write("arm", "Neoverse")]))

    lines = headline(group, 0.002)

    assert len(lines) == 1


def test_a_baseline_that_is_shipped_has_no_change_from_itself(write, monkeypatch):
    (group,) = groups_of(choose_files([write("epyc", "EPYC")]))
    machine = group.machines[0]
    own = next(each for each in machine.report.results if each.status == "ok")
    itself = Candidate(result=own, change=None, error=0.0, problem=None)
    advice = Advice(
        baseline=own,
        chosen=itself,
        is_proven=True,
        tied=(),
        undecided=(),
        candidates=(itself,),
        scenario=scenario_of(own),
    )
    monkeypatch.setattr(Machine, "advice", lambda *_: advice)

    ((_, case, *_, change, _),) = ship_sheet(group, 0.002).rows

    assert (case.text, change.text) == (machine.look.label(own), "-")


@pytest.mark.parametrize("style", [(), ("--format", "markdown")])
def test_nothing_follows_the_last_line(write, tmp_path, style):
    write("epyc", "EPYC")
    printed = invoke(tmp_path / "reports", *style).stdout
    assert printed.endswith("\n")
    assert not printed.endswith("\n\n")


@pytest.mark.processes
def test_reports_of_a_folder_are_joined_without_what_a_history_needs(write):
    folder = write("epyc", "AMD EPYC").parents[1]
    source = (
        "import sys; sys.modules.update(dict.fromkeys(['sqlalchemy', 'alembic', 'ruptures']));"
        "from crossrt.cli.main import cli; cli(['fleet', 'report', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", source, folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "epyc" in done.stdout
