"""Two published versions of a runtime, from the package index, in one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
MODEL = Path(__file__).parents[1] / "data" / "models" / "conv.fp32.onnx" / "model.onnx"
VERSIONS = ("1.30.0", "1.31.1")


def crossrt(*arguments, cwd):
    environment = {**os.environ, "CROSSRT_CACHE_DIR": str(cwd / "cache")}
    return subprocess.run(
        [CROSSRT, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=1200
    )


def test_published_versions_are_measured_and_kept(tmp_path):
    runtimes = [word for version in VERSIONS for word in ("--runtime", f"ort-cpu=={version}")]
    done = crossrt("bench", MODEL, *runtimes, "--quick", "--rounds", 2, "--samples", 8, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [(each["runtime_version"], each["status"]) for each in results] == [(each, "ok") for each in VERSIONS]
    (table,) = json.loads(crossrt("cache", "--json", cwd=tmp_path).stdout)["tables"]
    kept = [row[0].partition(" ")[0] for row in table["rows"] if row[1] == "environment"]
    assert sorted(kept) == [f"ort-cpu=={each}" for each in VERSIONS]
    refused = crossrt("bench", MODEL, "--runtime", "ort-cpu==0.0.1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "onnxruntime 0.0.1 cannot be installed for Python" in refused.stderr
