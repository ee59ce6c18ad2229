"""What is built serves all workers; the lock of those that measure is each worker's own, else one waits for another."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = ("artifacts", "inspections", "sources")


def pytest_configure(config):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and (shared := os.environ.get("CROSSRT_CACHE_DIR")):
        own = Path(shared).with_name(f"{Path(shared).name}-{worker}")
        own.mkdir(exist_ok=True, parents=True)
        for name in SHARED:
            (Path(shared) / name).mkdir(exist_ok=True, parents=True)
            if not (own / name).is_symlink():
                (own / name).symlink_to(Path(shared) / name)
        os.environ["CROSSRT_CACHE_DIR"] = str(own)
