"""A bad model file ends in a refusal or a dead process, never in a hang or an answer. Native code may die on one."""
# ruff: noqa: ANN001, ANN201, ARG001, D103
# mypy: ignore-errors

import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.core.manifest import ARTIFACT_MANIFEST

CHILD = Path(__file__).with_name("load_and_run.py")
TIMEOUT_S = 180


def load_and_run(runtime_name, artifact, model_file):
    manifest = artifact.path.with_name(ARTIFACT_MANIFEST)
    command = [sys.executable, "-P", CHILD, runtime_name, manifest, model_file]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_the_whole_file_is_answered(child_process, runtime_name, artifact):
    child = load_and_run(runtime_name, artifact, artifact.path)
    assert (child.returncode, child.stdout) == (0, "answered\n")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="truncated"),
        pytest.param(lambda whole: bytes(len(whole)), id="zeros"),
        pytest.param(lambda whole: whole[:64] + b"\xa5" * (len(whole) - 64), id="corrupt"),
    ],
)
def test_a_damaged_file_is_refused(child_process, runtime_name, artifact, tmp_path, damage):
    damaged = tmp_path / artifact.path.name
    damaged.write_bytes(damage(artifact.path.read_bytes()))
    assert_refused(load_and_run(runtime_name, artifact, damaged), damaged)


def test_a_missing_file_is_refused(child_process, runtime_name, artifact, tmp_path):
    missing = tmp_path / artifact.path.name
    assert_refused(load_and_run(runtime_name, artifact, missing), missing)


def assert_refused(child, model_file):
    died = child.returncode < 0
    refused = child.stdout.startswith("refused: ") and model_file.name in child.stdout
    assert died or refused, child.stdout + child.stderr
