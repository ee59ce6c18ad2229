"""A scratch folder of one run, with the test digits in the form that workers read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossrt.datasets.mnist import digits as mnist
from crossrt.harness.errors import HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where a run keeps what it needs while it lasts.

    Attributes:
        folder: Removed when the run ends.
        images: The test digits as models take them, float32 `(10000, 28, 28, 1)`, as `.npy`.
        labels: Their classes, uint8 `(10000,)`.
    """

    folder: Path
    images: Path
    labels: NDArray[np.uint8]


@contextmanager
def open_workspace() -> Iterator[Workspace]:
    """Makes a workspace and removes it in the end.

    Raises:
        HarnessError: There is no room for it.
    """
    digits = mnist.shipped("test")
    with tempfile.TemporaryDirectory(prefix="crossrt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        images = folder / "test-images.npy"
        try:
            np.save(images, digits.as_input(), allow_pickle=False)
        except OSError as error:
            raise HarnessError(
                f"{folder.parent} has no room for 32 MB of digits ({error.strerror or error}): set TMPDIR to another"
            ) from error
        yield Workspace(folder=folder, images=images, labels=digits.labels)
