"""Processes that test at the same time have a cache each: where it is shared, one waits while another measures."""

from __future__ import annotations

import os
from pathlib import Path


def pytest_configure(config):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and (shared := os.environ.get("CROSSRT_CACHE_DIR")):
        os.environ["CROSSRT_CACHE_DIR"] = str(Path(shared).with_name(f"{Path(shared).name}-{worker}"))
