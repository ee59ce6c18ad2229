"""A gate in a user's own project: the same model passes, one that answers differently does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timed

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
MAKE = Path(__file__).with_name("make_own_models.py")
SAME, SWAPPED = "hundred.keras", "swapped/hundred.keras"
ATTEMPTS = 4
CONFIG = """
[model]
path = "model.keras"
[data]
path = "hundred.npz"
[calibration]
path = "hundred-calibration.npz"
[bench]
only = "fp32@ort-cpu"
rounds = 3
time = 20
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The user's project as a gate sees it: a model, data, and a crossrt.toml."""
    folder = tmp_path_factory.mktemp("gated")
    made = subprocess.run([sys.executable, str(MAKE), str(folder), "--only", "hundred_classes"], capture_output=True)
    assert made.returncode == 0, made.stderr
    (folder / "crossrt.toml").write_text(CONFIG)
    return folder


def crossrt(*arguments, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=1200)


def gated(project, model) -> str:
    """Measures a model in a subfolder of the project, which finds the configuration above it."""
    shutil.copy(project / model, project / "model.keras")
    (project / "ci").mkdir(exist_ok=True)
    done = crossrt("bench", "--out", "../runs", cwd=project / "ci")
    assert done.returncode == 0, done.stderr
    assert f"options from {project / 'crossrt.toml'}" in done.stderr
    return re.search(r"^report: \.\./(.*)/report.json$", done.stdout, re.MULTILINE)[1]


def judged(project, baseline: str, model: str, earlier: str) -> subprocess.CompletedProcess[str]:
    """Compares a fresh run of a model with an earlier one of another.

    Other work on the machine may make the later run slower indeed: then both are measured again.
    """
    for _ in range(ATTEMPTS):
        done = crossrt("compare", earlier, gated(project, model), cwd=project)
        if done.returncode == 0:
            break
        earlier = gated(project, baseline)
    return done


def test_gate_passes_the_same_model_and_stops_one_with_two_classes_swapped(project):
    before = gated(project, SAME)
    compared = judged(project, SAME, SAME, before)
    assert compared.returncode == 0, compared.stdout
    assert re.search("^No regression", compared.stdout, re.MULTILINE), compared.stdout  # below cautions, if any
    swapped = gated(project, SWAPPED)
    stopped = crossrt("compare", before, swapped, cwd=project)
    assert stopped.returncode == 1, stopped.stdout
    assert re.search(r"fp32@ort-cpu +top-1 % .*less accurate", stopped.stdout), stopped.stdout
    back = crossrt("compare", swapped, before, cwd=project)
    if back.returncode:
        back = judged(project, SWAPPED, SAME, swapped)
    assert back.returncode == 0, back.stdout
    assert crossrt("compare", before, "runs/missing", cwd=project).returncode == 2
