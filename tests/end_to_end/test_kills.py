"""A short run of the suite that kills: see `tests/fuzz/kills.py` for a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).parents[1] / "fuzz" / "kills.py"


def test_kills_at_random_instants_lose_nothing_and_leave_nothing():
    command = [sys.executable, str(SUITE), "--kills", "6", "--commands", "bench-fp32"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| kills | 6 |" in done.stdout
