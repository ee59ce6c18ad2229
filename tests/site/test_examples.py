"""Examples that no other test runs: a quantizer of another package, a notebook, a workflow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The examples, with the model and data of the first."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    run(folder / "notebook", sys.executable, "../own-onnx/make.py")
    return folder


def run(folder: Path, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as in an environment that has been activated."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CROSSRT_CACHE_DIR": str(folder / "cache"), **variables}
    done = subprocess.run([*map(str, command)], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_folder_is_in_the_list():
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    folders = [each.name for each in EXAMPLES.iterdir() if (each / "README.md").exists()]
    assert [name for name in folders if f"]({name})" not in page] == []


def test_a_quantizer_of_another_package_builds_files_that_are_right(folder):
    package = folder / "plugin-quantizer"
    metadata = package / "crossrt_rounded-1.0.dist-info"  # as an installer leaves it
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crossrt-rounded\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[crossrt.quantizers]\nrounded = crossrt_rounded:Rounded\n")
    data = ("--data", "test.npz", "--calibration", "train.npz", "--out", "lab")
    recipes = ("--file", package / "recipes.toml", "--recipe", "int8-rounded", "--min-agreement", "0.9")
    done = run(folder / "notebook", "crossrt", "quantize", "own.onnx", *recipes, *data, PYTHONPATH=str(package))
    assert (folder / "notebook" / "lab" / "own.int8-rounded.onnx").exists(), done.stdout
    size = (folder / "notebook" / "lab" / "own.int8-rounded.onnx").stat().st_size
    assert size < 0.3 * (folder / "notebook" / "own.onnx").stat().st_size


def test_the_cells_of_the_notebook_run_in_their_order(folder):
    notebook = json.loads((folder / "notebook" / "own-model.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(each["source"]) for each in notebook["cells"] if each["cell_type"] == "code"]
    (folder / "notebook" / "cells.py").write_text("\n\n".join(cells).replace("time=15", "time=4"), encoding="utf-8")
    printed = run(folder / "notebook", sys.executable, "cells.py").stdout
    assert "int8-qdq@ort-cpu/b1/t1 ok" in printed
    assert (folder / "notebook" / "results" / "notebook.json").exists()
    assert all(each["outputs"] == [] for each in notebook["cells"] if each["cell_type"] == "code")


def test_the_workflow_gives_the_action_what_it_takes():
    workflow = yaml.safe_load((EXAMPLES / "github-workflow" / "benchmark.yml").read_text(encoding="utf-8"))
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    given = workflow["jobs"]["benchmark"]["steps"][-1]["with"]
    assert given.keys() <= action["inputs"].keys()


def test_hosted_jobs_run_environments_that_there_are_with_no_more_rights_than_reading():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    environments = {each["environment"] for each in workflow["jobs"]["tox"]["strategy"]["matrix"]["include"]}
    listed = (ROOT / "tox.ini").read_text(encoding="utf-8").partition("env_list = ")[2].partition("\n")[0]
    assert environments == set(listed.split(", "))
    assert workflow["permissions"] == {"contents": "read"}
