"""The GitHub Action: its shell steps, run as a runner would, on real measurements."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from crossrt.datasets.reference import model_file, reference_models

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
ONE_CASE = "--only=fp32@tflite\n--batch=1\n--rounds=2\n\n"


class Runner:
    """Runs single steps the way GitHub's runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        self.path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        (folder / "temp").mkdir()

    def run(self, name: str, action_path: str = str(ROOT), **inputs: str) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        for file in self.files.values():
            file.write_text("")
        known = {f"inputs.{name}": each["default"] for name, each in ACTION["inputs"].items()}
        known |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
        known["github.action_path"] = action_path
        variables = {
            name: EXPRESSION.sub(lambda found: known[found[1]], value) for name, value in step.get("env", {}).items()
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                **os.environ,
                **{name: str(path) for name, path in self.files.items()},
                "PATH": self.path,
                "RUNNER_TEMP": str(self.folder / "temp"),
                **variables,
            },
            capture_output=True,
            text=True,
        )

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.files["GITHUB_OUTPUT"].read_text().splitlines())

    @property
    def summary(self) -> str:
        return self.files["GITHUB_STEP_SUMMARY"].read_text()


@pytest.fixture
def runner(tmp_path) -> Runner:
    return Runner(tmp_path)


def test_scripts_take_values_from_variables_alone():
    assert not [name for name, step in STEPS.items() if EXPRESSION.search(step.get("run", ""))]


STAND_IN = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "crossrt"
version = "0"
optional-dependencies = {export = [], page = []}
scripts = {crossrt = "crossrt:main"}
[tool.hatch.build.targets.wheel]
only-include = ["crossrt.py"]
"""


def test_install_puts_the_command_on_the_path(runner, tmp_path):
    action = tmp_path / "an action"
    action.mkdir()
    (action / "pyproject.toml").write_text(STAND_IN)
    (action / "crossrt.py").write_text("def main(): print('it is me')\n")
    (action / "constraints.txt").write_text("")
    done = runner.run("Install crossrt", python=sys.executable, action_path=str(action))
    assert done.returncode == 0, done.stderr
    (added,) = runner.files["GITHUB_PATH"].read_text().splitlines()
    assert subprocess.run([f"{added}/crossrt"], capture_output=True, text=True).stdout == "it is me\n"


def test_run_becomes_the_baseline_of_the_next(runner):
    done = runner.run("Measure and compare", arguments=ONE_CASE)
    assert done.returncode == 0, done.stderr
    assert runner.outputs["verdict"] == "no-baseline"
    out = Path(runner.outputs["folder"])
    assert {path.name for path in out.iterdir()} == {"report.json", "report.html", "comment.md"}
    assert runner.summary == (out / "comment.md").read_text()

    assert runner.run("Take the report as the next baseline").returncode == 0
    again = runner.run("Measure and compare", arguments=ONE_CASE)
    assert runner.outputs["verdict"] in ("fine", "worse"), again.stderr  # a busy machine may be slower indeed
    assert again.returncode == (runner.outputs["verdict"] == "worse")
    assert {path.name for path in out.iterdir()} >= {"comparison.json", "comparison.xml"}
    assert runner.summary.count("### crossrt") == 1

    report = json.loads((out / "report.json").read_text())
    report["artifacts"][0]["size_bytes"] -= 100_000
    for metric in report["metrics"]:
        metric["value"] -= 100_000 * (metric["name"] == "size_bytes")
    (out / "report.json").write_text(json.dumps(report))  # the baseline may lie where the report will
    worse = runner.run("Measure and compare", arguments=ONE_CASE, baseline=str(out / "report.json"))
    assert worse.returncode == 1
    assert runner.outputs["verdict"] == "worse"
    assert "size" in runner.summary


def test_model_of_the_base_is_measured_beside_the_new_one(runner):
    shutil.copy(model_file(reference_models()[0]), runner.folder / "mnist-cnn.keras")
    done = runner.run(
        "Measure and compare",
        arguments=ONE_CASE,
        data="mnist",
        baseline_model="mnist-cnn.keras",
        fail_on_regression="false",
    )
    assert done.returncode == 0, done.stderr
    comparison = json.loads((Path(runner.outputs["folder"]) / "comparison.json").read_text())
    assert {finding["metric"] for finding in comparison["findings"]} >= {"latency_p50_ns", "top1", "size_bytes"}


def test_wrong_arguments_fail_the_step(runner):
    done = runner.run("Measure and compare", arguments="--rounds=none")
    assert done.returncode == 2
    assert "'none' is not a valid integer" in done.stderr
    assert "verdict" not in runner.outputs


@pytest.mark.parametrize("arguments", ["--out\nelsewhere", "--out=elsewhere"])
def test_place_of_the_report_is_not_the_callers_to_choose(runner, arguments):
    done = runner.run("Measure and compare", arguments=arguments, fail_on_regression="false")
    assert done.returncode == 2
    assert "--out is the first argument" in done.stderr
    assert "verdict" not in runner.outputs


def test_other_words_than_true_and_false_do_not_open_the_gate(runner):
    done = runner.run("Measure and compare", fail_on_regression="yes")
    assert done.returncode == 2
    assert "true or false is expected" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--quick"], [__file__], ["out", "missing.json"]])
def test_wrong_usage_of_the_script_is_told_and_nothing_measured(tmp_path, arguments):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", str(ROOT / ".ci" / "measure"), *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert not list(tmp_path.glob("*/*"))


def test_missing_baseline_is_told_before_anything_is_measured(runner):
    done = runner.run("Measure and compare", baseline="missing.json")
    assert done.returncode == 2
    assert "missing.json cannot be read" in done.stderr
