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
NAMING = "Name what is kept"
MEASURING = "Measure and compare"
COMMENTING = "Comment on the pull request"
ONE_CASE = "--only=fp32@tflite\n--batch=1\n--rounds=2\n\n"


class Runner:
    """Runs single steps the way GitHub's runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        self.path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.inputs: dict[str, str] = {}
        self.contexts = {"github.job": "benchmark", "toJSON(matrix)": "null", "github.token": "a token"}
        self.contexts |= {"github.repository": "own/er", "github.event.pull_request.number": "7"}
        (folder / "temp").mkdir()
        (folder / "bin").mkdir()

    def stand_in(self, name: str, script: str) -> None:
        """A command that is found before the real one."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)
        self.path = f"{path.parent}:{self.path}"

    def run(self, name: str, action_path: str = str(ROOT), **inputs: str) -> subprocess.CompletedProcess[str]:
        """One step; those that need the names of what is kept get them from the step that makes them."""
        known = {f"inputs.{name}": each["default"] for name, each in ACTION["inputs"].items()}
        given = {**self.inputs, **inputs}
        known |= {f"inputs.{name.replace('_', '-')}": value for name, value in given.items()}
        known |= {"github.action_path": action_path, **self.contexts}
        if name not in ("Install crossrt", NAMING):
            assert self._step(NAMING, known).returncode == 0
            known |= {f"steps.key.outputs.{name}": value for name, value in self.outputs.items()}
        return self._step(name, known)

    def _step(self, name: str, known: dict[str, str]) -> subprocess.CompletedProcess[str]:
        step = STEPS[name]
        for file in self.files.values():
            file.write_text("")
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
                "RUNNER_OS": "Linux",
                "RUNNER_ARCH": "X64",
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
    runner.inputs["arguments"] = ONE_CASE
    done = runner.run(MEASURING)
    assert done.returncode == 0, done.stderr
    assert runner.outputs["verdict"] == "no-baseline"
    out = Path(runner.outputs["folder"])
    assert {path.name for path in out.iterdir()} == {"report.json", "report.html", "comment.md", "verdict.txt"}
    assert runner.summary == (out / "comment.md").read_text()

    assert runner.run("Take the report as the next baseline").returncode == 0
    again = runner.run(MEASURING)
    # two rounds decide little, and a busy machine may be slower indeed
    assert runner.outputs["verdict"] in ("fine", "worse", "inconclusive"), again.stderr
    assert again.returncode == (runner.outputs["verdict"] == "worse")
    assert {path.name for path in out.iterdir()} >= {"comparison.json", "comparison.xml"}
    assert runner.summary.count("### crossrt") == 1

    report = json.loads((out / "report.json").read_text())
    report["artifacts"][0]["size_bytes"] -= 100_000
    for metric in report["metrics"]:
        metric["value"] -= 100_000 * (metric["name"] == "size_bytes")
    (out / "report.json").write_text(json.dumps(report))  # the baseline may lie where the report will
    worse = runner.run(MEASURING, baseline=str(out / "report.json"))
    assert worse.returncode == 1
    assert runner.outputs["verdict"] == "worse"
    assert "size" in runner.summary


def test_model_of_the_base_is_measured_beside_the_new_one(runner):
    shutil.copy(model_file(reference_models()[0]), runner.folder / "mnist-cnn.keras")
    done = runner.run(
        MEASURING,
        arguments=ONE_CASE,
        data="mnist",
        baseline_model="mnist-cnn.keras",
        fail_on_regression="false",
    )
    assert done.returncode == 0, done.stderr
    comparison = json.loads((Path(runner.outputs["folder"]) / "comparison.json").read_text())
    assert {finding["metric"] for finding in comparison["findings"]} >= {"latency_p50_ns", "top1", "size_bytes"}


def test_wrong_arguments_fail_the_step(runner):
    done = runner.run(MEASURING, arguments="--rounds=none")
    assert done.returncode == 2
    assert "'none' is not a valid integer" in done.stderr
    assert "verdict" not in runner.outputs


@pytest.mark.parametrize("arguments", ["--out\nelsewhere", "--out=elsewhere"])
def test_place_of_the_report_is_not_the_callers_to_choose(runner, arguments):
    done = runner.run(MEASURING, arguments=arguments, fail_on_regression="false")
    assert done.returncode == 2
    assert "--ci and --out exclude each other" in done.stderr
    assert "verdict" not in runner.outputs


@pytest.mark.parametrize("switch", ["fail_on_regression", "comment"])
def test_other_words_than_true_and_false_do_not_open_the_gate(runner, switch):
    done = runner.run(MEASURING, **{switch: "yes"})
    assert done.returncode == 2
    assert "true or false is expected" in done.stdout


def test_missing_baseline_is_told_before_anything_is_measured(runner):
    done = runner.run(MEASURING, baseline="missing.json")
    assert done.returncode == 2
    assert "missing.json does not exist" in done.stderr


BENCH = """
[[ $2 == --ci ]] || { echo "unexpected: $*" >&2; exit 2; }
mkdir -p "$3" && echo "$VERDICT" >"$3/verdict.txt" && exit "$STATUS"
"""


@pytest.mark.parametrize(
    ("status", "verdict", "code", "warning"),
    [
        (0, "fine", 0, ""),
        (0, "no-baseline", 0, ""),
        (0, "inconclusive", 0, "::warning::crossrt: p50 of some case could not be decided"),
        (0, "incomparable", 0, "::warning::crossrt: not all could be judged"),
        (3, "incomparable", 0, "::warning::crossrt: not all could be judged"),
        (1, "worse", 1, ""),
    ],
)
def test_step_passes_the_verdict_on_and_fails_for_a_regression_alone(
    runner, monkeypatch, status, verdict, code, warning
):
    monkeypatch.setenv("VERDICT", verdict)
    monkeypatch.setenv("STATUS", str(status))
    runner.stand_in("crossrt", BENCH)
    done = runner.run(MEASURING)
    assert done.returncode == code, done.stderr
    assert runner.outputs["verdict"] == verdict
    assert warning in done.stdout
    assert ("::warning::" in done.stdout) == bool(warning)
    assert runner.run(MEASURING, fail_on_regression="False").returncode == 0


def test_run_without_a_verdict_fails_the_step_whatever_is_accepted(runner):
    runner.stand_in("crossrt", "echo broken off >&2; exit 1")
    done = runner.run(MEASURING, fail_on_regression="false")
    assert (done.returncode, done.stderr) == (1, "broken off\n")
    assert "verdict" not in runner.outputs


def names(runner: Runner, **inputs: str) -> dict[str, str]:
    assert runner.run(NAMING, **inputs).returncode == 0
    return runner.outputs


def test_nothing_that_is_kept_is_shared_with_another_model_job_matrix_entry_or_branch(runner):
    found = [names(runner), names(runner, model="a.onnx"), names(runner, model="b.onnx"), names(runner, data="a.npz")]
    found += [names(runner, baseline_branch=branch) for branch in ("main-2", "main-")]
    for context, value in (("toJSON(matrix)", '{"os": "ubuntu-22.04"}'), ("github.job", "nightly")):
        runner.contexts[context] = value
        found.append(names(runner))
    for kind in ("key", "folder", "artifact", "mark"):
        values = [each[kind] for each in found]
        assert len(set(values)) == len(found)
        assert not [(a, b) for a in values for b in values if a is not b and b.startswith(a)]
    assert names(runner) == found[-1]


def test_what_is_kept_follows_from_the_inputs_alone_and_keys_are_used_as_prefixes():
    for name in ("Fetch the baseline", "Keep the baseline"):
        given = STEPS[name]["with"]
        assert given["key"] == "${{ steps.key.outputs.key }}${{ github.run_id }}-${{ github.run_attempt }}"
        assert given["path"] == "${{ steps.key.outputs.folder }}/baseline"


def test_only_a_push_to_the_branch_makes_a_baseline():
    condition = STEPS["Take the report as the next baseline"]["if"]
    assert "github.event_name == 'push' && github.ref == format('refs/heads/{0}', inputs.baseline-branch)" in condition
    assert "always()" not in condition


GH = """
echo "$*" >>"$CALLS"
case "$*" in
    *--paginate*) [[ -z $READABLE ]] && exit 1; echo "$FOUND" ;;
    *) [[ -z $WRITABLE ]] && { echo "HTTP 403" >&2; exit 1; } ;;
esac
exit 0
"""


@pytest.fixture
def commented(runner, monkeypatch, tmp_path):
    """Runs the step that comments, and returns it and the calls of `gh`."""

    def run(found="", readable="yes", writable="yes"):
        for name, value in (("FOUND", found), ("READABLE", readable), ("WRITABLE", writable)):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
        out = Path(names(runner)["folder"]) / "out"
        out.mkdir(parents=True)
        (out / "comment.md").write_text("<!-- crossrt report -->\n### crossrt: fine\n")
        runner.stand_in("gh", GH)
        done = runner.run(COMMENTING)
        assert done.returncode == 0, done.stderr
        text = (out.parent / "comment.md").read_text()
        return done, (tmp_path / "calls").read_text().splitlines(), text

    return run


def test_first_comment_is_made_with_a_mark_of_its_own(commented, runner):
    _, (listed, written), text = commented()
    mark = names(runner)["mark"]
    assert text == f"{mark}\n### crossrt: fine\n"
    assert 'select(.user.login == "github-actions[bot]"' in listed
    assert f'startswith("{mark}")' in listed
    assert "--method POST repos/own/er/issues/7/comments --field body=@" in written


def test_later_comment_replaces_the_own_one(commented):
    _, (_, written), _ = commented(found="11\n12")
    assert "--method PATCH repos/own/er/issues/comments/12 --field body=@" in written


@pytest.mark.parametrize("right", ["readable", "writable"])
def test_job_that_may_not_comment_is_not_failed(commented, right):
    done, _, _ = commented(**{right: ""})
    assert "::warning::crossrt: this job could not comment" in done.stdout
