"""Sums over batches, from which all measures of one tensor follow: no batch is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES, Affine, along, dequantize
from crossrt.analysis.audit.record import Role
from crossrt.analysis.diagnosis.record import BINS, MARGIN_BINS, DiagnosedTensor, Kernels


class Ratio:
    """Signal and noise, batch after batch."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, exact: NDArray[np.float64], found: NDArray[np.float64]) -> None:
        """One batch."""
        self.signal += float(np.square(exact).sum())
        self.noise += float(np.square(exact - found).sum())

    @property
    def sqnr_db(self) -> float | None:
        """Signal-to-quantization-noise ratio; None without noise, or without a signal."""
        return 10 * math.log10(self.signal / self.noise) if self.noise and self.signal else None


class Shift:
    """The part of an error that all samples share, channel by channel, batch after batch."""

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._sums: NDArray[np.float64] | None = None
        self._count = 0

    def add(self, errors: NDArray[np.float64]) -> None:
        """One batch; a tensor of one dimension has no channels."""
        if errors.ndim < 2:
            return
        sums = np.moveaxis(errors, self._axis, 0).reshape(errors.shape[self._axis], -1).sum(axis=1)
        if self._sums is not None and self._sums.shape != sums.shape:  # no channels: their number changes
            self._sums = np.zeros(0)
            return
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += errors.size // max(len(sums), 1)

    def share(self, noise: float) -> float | None:
        """Of all squared errors; None without noise or channels."""
        if self._sums is None or not self._sums.size or not noise:
            return None
        return min(float(np.square(self._sums).sum()) / self._count / noise, 1.0)


class Measure:
    """One tensor, batch after batch."""

    def __init__(
        self,
        name: str,
        role: Role,
        dtype: str,
        affine: Affine,
        axis: int | None,
        kernels: Kernels,
        *,
        channel_axis: int = 1,
    ) -> None:
        self.name, self.role, self.dtype, self.kernels = name, role, dtype, kernels
        self._affine, self._axis = affine, axis
        self._integers = TYPES[dtype]
        ends = [dequantize(np.full_like(affine.zero_point, end), affine) for end in self._integers]
        self._ends = np.minimum(*ends), np.maximum(*ends)  # the scale of a block may be negative
        self._low, self._high = float(np.min(self._ends[0])), float(np.max(self._ends[1]))
        step = (self._high - self._low) / BINS
        self._edges = np.linspace(
            self._low - MARGIN_BINS * step, self._high + MARGIN_BINS * step, BINS + 2 * MARGIN_BINS + 1
        )
        self._counts = np.zeros(len(self._edges) - 1, dtype=np.int64)
        self.ratio, self._shift = Ratio(), Shift(channel_axis)
        self._cross = self._other = 0.0
        self._saturated = self._clipped = self._total = 0
        self._least, self._greatest = math.inf, -math.inf

    @property
    def is_known(self) -> bool:
        """True if anything was measured."""
        return self._total > 0

    def add(self, exact: NDArray[Any], integers: NDArray[Any]) -> None:
        """One batch: float values and the integers that stand for them, of one shape."""
        if not exact.size:
            return
        found = dequantize(integers, self._affine, self._axis).astype(np.float64)
        values = exact.astype(np.float64)
        self.ratio.add(values, found)
        self._shift.add(found - values)
        self._cross += float((values * found).sum())
        self._other += float(np.square(found).sum())
        low, high = self._integers
        self._saturated += int(((integers == low) | (integers == high)).sum())
        self._clipped += self._outside(exact)
        self._total += values.size
        self._least = min(self._least, float(values.min()))
        self._greatest = max(self._greatest, float(values.max()))
        inside = np.clip(values, self._edges[0], self._edges[-1])
        self._counts += np.histogram(inside, self._edges)[0]

    def _outside(self, exact: NDArray[Any]) -> int:
        """Values further out than half a step beyond the ends, which is as far as rounding reaches."""
        half = np.abs(self._affine.scale) / 2
        low, high = (along(each, exact, self._axis) for each in (self._ends[0] - half, self._ends[1] + half))
        return int(((exact < low) | (exact > high)).sum())

    def result(self, place: int, node: str | None = None, precise_sqnr_db: float | None = None) -> DiagnosedTensor:
        """The measures over all batches."""
        signal, noise = self.ratio.signal, self.ratio.noise
        norms = math.sqrt(signal * self._other)
        is_activation = self.role == "activation"
        return DiagnosedTensor(
            name=self.name,
            role=self.role,
            dtype=self.dtype,
            place=place,
            node=node,
            sqnr_db=self.ratio.sqnr_db,
            relative_error=math.sqrt(noise / signal) if signal else 0.0,
            cosine=self._cross / norms if norms else 1.0,
            saturated=self._saturated / self._total,
            clipped=self._clipped / self._total,
            range_used=(max(self._greatest, 0.0) - min(self._least, 0.0)) / (self._high - self._low),
            histogram=tuple(int(count) for count in self._counts),
            kernels=self.kernels,
            precise_sqnr_db=precise_sqnr_db,
            rounding=self._rounding(noise) if is_activation else None,
            shift=self._shift.share(noise) if is_activation else None,
        )

    def _rounding(self, noise: float) -> float | None:
        """What even rounding to the integers costs, over all noise."""
        expected = self._total * float(self._affine.scale.reshape(-1)[0]) ** 2 / 12
        return min(expected / noise, 1.0) if noise else None
