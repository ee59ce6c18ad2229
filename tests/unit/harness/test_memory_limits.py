"""Small files that ask for more memory than any model of their size: one message, and the machine is left alone."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

MODELS = Path(__file__).parents[3] / "datasets" / "mnist" / "models"


@pytest.fixture
def greedy(tmp_path) -> Path:
    """A `.keras` file of some kilobytes whose last layer would take 20 GB."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras loads it")
    source, target = next(MODELS.glob("*.keras")), tmp_path / "greedy.keras"
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as written:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                config = json.loads(content)
                layer = [each for each in config["config"]["layers"] if each["class_name"] == "Dense"][-1]
                layer["config"]["units"] = 5 * 10**9 // 64
                content = json.dumps(config).encode()
            written.writestr(name, content)
    return target


@pytest.mark.parametrize("command", ["inspect", "bench"])
def test_a_greedy_model_is_refused_in_one_line(crossrt, greedy, command):
    done = crossrt(command, greedy)
    assert done.returncode == 2
    assert "greedy.keras: out of memory" in done.stderr
    assert "CROSSRT_BUILD_MEMORY=MIB" in done.stderr
    assert len(done.stderr.splitlines()) == 1
