"""What is built serves all workers; the lock of those that measure is each worker's own, else one waits for another."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = ("artifacts", "inspections", "sources")
LONGEST = ("own_models", "qat", "quantization", "public_models", "continuous_integration", "main_job", "other_models")
"""Files that begin first, the longest before the others: one that begins last keeps the other processors waiting."""


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


def pytest_collection_modifyitems(items):
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))
