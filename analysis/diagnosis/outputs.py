"""Outputs of a quantized file beside those of its float model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.diagnosis.measure import Ratio
from crossrt.core.tensor import TensorSpec
from crossrt.datasets.tasks.outputs import match_outputs

Arrays = Mapping[str, NDArray[Any]]


class OutputRatios:
    """Signal and noise of every output that is a number, call after call."""

    def __init__(self, original: Sequence[TensorSpec], quantized: Sequence[TensorSpec]) -> None:
        """Matches outputs by name, else by shape or order.

        Raises:
            DataError: An output of the float model is not among those of the quantized file.
        """
        names = match_outputs(original, quantized)
        numbers = [spec.name for spec in original if spec.dtype not in ("str", "bool")]
        self.names = {name: names[name] for name in numbers}
        self._ratios = {name: Ratio() for name in numbers}

    @property
    def originals(self) -> list[str]:
        """Names in the float model."""
        return list(self.names)

    @property
    def quantized(self) -> list[str]:
        """Names in the quantized file, in the same order."""
        return list(self.names.values())

    def add(self, exact: Arrays, found: Arrays) -> None:
        """One call: outputs of both models by their own names; those whose size depends on values do not count."""
        for name, other in self.names.items():
            if exact[name].shape == found[other].shape and exact[name].dtype.kind in "fiu":
                self._ratios[name].add(exact[name].astype(np.float64), found[other].astype(np.float64))

    def sqnr_db(self, name: str) -> float | None:
        """The ratio of one output; None without any noise."""
        return self._ratios[name].sqnr_db
