"""A search that is killed keeps its best file, and goes on where it was."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime

from crossrt.analysis.search.result import SearchReport

EXAMPLE = Path(__file__).parents[2] / "examples" / "mixed-precision" / "make.py"
CROSSRT = str(Path(sys.executable).with_name("crossrt"))
OPTIONS = ("--data", "test.npz", "--calibration", "train.npz", "--max-drop", "0.5pp", "--time", "2m", "--allow-slower")


def test_a_killed_search_keeps_its_best_file_and_goes_on(tmp_path):
    environment = {**os.environ, "CROSSRT_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, EXAMPLE], cwd=tmp_path, check=True)
    command = [CROSSRT, "search", "faulty.onnx", *OPTIONS, "--out", "found"]
    best = tmp_path / "found" / "faulty.best.onnx"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as killed:
        while not best.exists() and killed.poll() is None:
            time.sleep(0.01)
        killed.kill()
    assert killed.returncode == -9
    session = onnxruntime.InferenceSession(best)
    assert session.run(None, {"features": np.zeros((1, 128), np.float32)})[0].shape == (1, 10)

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    refused = run()
    assert refused.returncode == 2
    assert "go on with --resume" in refused.stderr
    done = run("--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    found = msgspec.json.decode((tmp_path / "found" / "search.json").read_bytes(), type=SearchReport)
    assert found.candidate(found.best).float_units == ("dense_3",)
    said = " ".join(done.stdout.split())
    assert "Ship found/faulty.best.onnx: on 5,000 samples that the search never used" in said
