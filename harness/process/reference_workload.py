"""The reference workload: the same small piece of work in every run, which says how fast the machine was just then.

A product of two float32 128 × 128 matrices in numpy, on one thread, stays in the second-level cache and loads the
arithmetic units as a model does. The ratio of a case to it varies less from run to run than the case itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SIDE = 128


class ReferenceWorkload:
    """Does the work when it is run, like a session without inputs."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._left = random.random((SIDE, SIDE), dtype=np.float32)
        self._right = random.random((SIDE, SIDE), dtype=np.float32)
        self._product = np.empty((SIDE, SIDE), dtype=np.float32)

    def run(self, _: Mapping[str, object]) -> None:
        """Multiplies once."""
        np.matmul(self._left, self._right, out=self._product)
