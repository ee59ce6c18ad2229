from __future__ import annotations

import shutil
import subprocess

import click
import pytest
import yaml

from crossrt.cli.commands.fleet.arguments import check_arguments
from crossrt.fleet.errors import FleetError
from crossrt.fleet.plans.machines import read_fleet, relative_name
from crossrt.fleet.plans.written import FORMATS, plan_text

TABLES = {
    "fleet": {
        "install": ["crossrt[export,page]", "ai-edge-litert"],
        "arguments": ["--only=int8*"],
        "minutes": 90,
        "machines": {
            "epyc": {"runner": ["self-hosted", "epyc"], "slurm": ["--constraint=amd epyc"]},
            "arm": {"runner": ["arm"], "python": "python3.12"},
        },
    }
}


def plan(service, **changed):
    fleet = read_fleet({"fleet": TABLES["fleet"] | changed}, "crossrt.toml")
    return plan_text(fleet, "lab/crossrt.toml", service)


def test_github_has_a_matrix_entry_for_each_machine_and_one_run_at_a_time():
    jobs = yaml.safe_load(plan("github"))["jobs"]

    entries = jobs["measure"]["strategy"]["matrix"]["include"]
    assert [each["machine"] for each in entries] == ["epyc", "arm"]
    assert entries[0]["runner"] == ["self-hosted", "epyc"]
    assert jobs["measure"]["concurrency"] == {"group": "crossrt-${{ matrix.machine }}", "cancel-in-progress": False}
    assert jobs["measure"]["env"] == {"CROSSRT_MACHINE": "${{ matrix.machine }}"}
    measuring = next(step["run"] for step in jobs["measure"]["steps"] if step.get("name") == "Measure")
    assert measuring.endswith("crossrt bench --config lab/crossrt.toml --out results '--only=int8*'")
    assert jobs["report"]["needs"] == "measure"
    assert "pull_request_target" not in plan("github")


def test_gitlab_has_a_job_for_each_machine_which_none_shares():
    found = yaml.safe_load(plan("gitlab"))

    assert found["measure-epyc"]["tags"] == ["self-hosted", "epyc"]
    assert found["measure-arm"]["resource_group"] == "crossrt-arm"
    assert found["measure-arm"]["variables"] == {"CROSSRT_MACHINE": "arm", "CROSSRT_PYTHON": "python3.12"}
    assert found[".measure"]["artifacts"] == {
        "when": "always",
        "paths": ["crossrt-reports/$CROSSRT_MACHINE/*/report.json"],
    }


def test_slurm_hands_in_one_exclusive_job_a_machine_and_joins_after_all(tmp_path):
    calls = tmp_path / "calls"
    stand_in = tmp_path / "sbatch"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" ---- >> {calls}\ncat >> {calls}\nwc -l < {calls}\n')
    stand_in.chmod(0o755)
    (tmp_path / "plan.sh").write_text(plan("slurm"))
    sh = shutil.which("sh")

    subprocess.run([sh, "plan.sh"], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)

    told = calls.read_text()
    assert told.count("--exclusive") == 2
    assert "--constraint=amd epyc\n" in told
    assert "export CROSSRT_MACHINE=arm\npython3.12 -m venv" in told
    dependency = next(line for line in told.splitlines() if line.startswith("--dependency=afterany:"))
    assert dependency.count(":") == 2  # both jobs
    assert "fleet report crossrt-reports" in told.rpartition("----")[2]


@pytest.mark.parametrize("service", FORMATS)
def test_with_a_history_each_machine_adds_its_report_and_the_join_reads_them_there(service):
    text = plan(service, history=True)

    assert text.count("history add") == (2 if service == "slurm" else 1)
    assert 'fleet report --history "$CROSSRT_HISTORY"' in text


@pytest.mark.parametrize("service", FORMATS)
def test_the_words_of_a_configuration_cannot_become_commands(service):
    text = plan(service, install=["crossrt; rm -rf /"])

    assert "'crossrt; rm -rf /'" in text


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"machines": {"a b": {}}}, "a b|pattern|regex"),
        ({"machines": {"epyc": {"runer": ["x"]}}}, "runer"),
        ({"machines": {}}, "machines is empty"),
        ({"install": []}, "install is empty"),
        ({"install": ["a\nb"]}, "install"),
        ({"minutes": 0}, "minutes"),
        ({"mashines": {}}, "mashines"),
    ],
)
def test_what_cannot_be_used_is_named_with_an_example(changed, told):
    with pytest.raises(FleetError, match=told) as caught:
        read_fleet({"fleet": TABLES["fleet"] | changed}, "crossrt.toml")
    assert "[fleet.machines.epyc]" in str(caught.value)


def test_a_configuration_without_a_fleet_is_refused():
    with pytest.raises(FleetError, match="names no machines"):
        read_fleet({"model": {"path": "own.onnx"}}, "crossrt.toml")


def test_a_machine_without_a_runner_is_refused_where_one_is_needed():
    with pytest.raises(FleetError, match="'arm' has no runner"):
        plan("github", machines={"arm": {}})


def test_a_configuration_outside_the_folder_is_refused(tmp_path):
    with pytest.raises(FleetError, match="top of the repository"):
        relative_name(tmp_path / "crossrt.toml", tmp_path / "below")


def test_machines_that_differ_in_case_alone_are_refused():
    machines = {"epyc": {"runner": ["a"]}, "EPYC": {"runner": ["b"]}}
    with pytest.raises(FleetError, match="'epyc' and 'EPYC' differ in upper and lower case alone"):
        read_fleet({"fleet": TABLES["fleet"] | {"machines": machines}}, "crossrt.toml")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--nonsense"], "No such option"),
        (["--out=x"], "--out cannot be given: the plan sets it"),
        (["--ci"], "Option '--ci' requires an argument"),
        (["--ci", "x"], "--ci cannot be given"),
        (["--config=other.toml"], "--config cannot be given: the plan sets it"),
        (["-h"], "nothing is measured"),
        (["--quick", "$(id)"], "'$(id)' is not an option: name models as path of the table [model]"),
        (["--", "model.onnx"], "'model.onnx' is not an option"),
        (["--time=soon"], "Invalid value for '--time': 'soon' is not a time"),
        (["--scenario=serve"], "'serve' is not a scenario"),
    ],
)
def test_arguments_that_would_break_every_job_are_refused(arguments, told):
    with pytest.raises(click.UsageError) as caught:
        check_arguments(arguments, "crossrt.toml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("crossrt.toml, table [fleet], arguments: ")


def test_arguments_that_bench_takes_are_fine():
    check_arguments(["--time=120", "--only", "int8*", "--batch=1..8", "--data", "on-the-machine.npz", "--quick"], "c")
