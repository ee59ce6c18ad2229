"""The points that rounded weights can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from crossrt.exporters.quantizers.methods.layers import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """`value = scale * (integer - zero point)`.

    Attributes:
        scale: Float64, of a shape that broadcasts over `(groups, outputs, inputs)`.
        zero_point: The same.
        low: Least integer.
        high: Greatest integer.
    """

    scale: Array
    zero_point: Array
    low: int
    high: int

    def nearest(self, values: Array) -> Array:
        """The nearest integers, half to even, saturated."""
        return np.asarray(np.clip(np.rint(values / self.scale) + self.zero_point, self.low, self.high), np.int64)

    def values(self, integers: Array) -> Array:
        """What integers stand for, float64."""
        return np.asarray((integers - self.zero_point) * self.scale)


def limits_of(dtype: Any) -> tuple[int, int]:
    """Least and greatest integer of a numpy dtype, those of 4 bits included."""
    limits: Any = ml_dtypes.iinfo(dtype) if "int4" in str(dtype) else np.iinfo(dtype)  # type: ignore[no-untyped-call]
    return int(limits.min), int(limits.max)
