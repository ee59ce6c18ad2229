"""Scenarios as a user runs them: the bundled model, quickly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from crossrt.reports.schema.files import read_report

CROSSRT = str(Path(sys.executable).with_name("crossrt"))


def test_the_rate_that_the_bundled_model_sustains_is_in_the_table_and_in_the_report(tmp_path):
    command = ["bench", "--quick", "--only", "fp32@ort-cpu", "--batch", "1", "--time", "12"]
    scenario = ["--scenario", "server:latency=20ms,percentile=90"]
    for _ in range(3):  # other work on the machine may keep it from any rate
        done = subprocess.run(
            [CROSSRT, *command, *scenario], cwd=tmp_path, capture_output=True, text=True, timeout=1200
        )
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Server: highest rate of random arrivals with 90% answered within 20ms" in done.stdout
    assert re.search(r"^fp32@ort-cpu +[\d,]+ ", done.stdout.split("Server: ")[1], re.MULTILINE)
    report = read_report(tmp_path / re.search(r"^report: (.*)$", done.stdout, re.MULTILINE)[1])
    found = {each.name: each.value for each in report.metrics}
    capacity = found["throughput_per_s"]
    assert 0 < found["server_20ms_p90_per_s"] < 1.1 * capacity
