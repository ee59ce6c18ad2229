"""Where a call lies under the roofline: Williams, Waterman and Patterson 2009, "Roofline", equation in section 3.

Attainable operations a second are `min(peak, bandwidth * intensity)`, intensity being operations for each byte that has
to come from memory: weights, inputs and outputs once. Tensors between layers stay in caches where they fit, so they do
not count.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossrt.reports.schema.roofline import ComputeType, Limits, Peak, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A call, or a kernel of it.

    Attributes:
        ops: Operations: two for each MAC.
        bytes: What has to be read and written at least.
        seconds: How long it took.
        dtype: What it computes on.
    """

    ops: float
    bytes: float
    seconds: float
    dtype: ComputeType

    @property
    def ops_per_s(self) -> float:
        """What it reached."""
        return self.ops / self.seconds

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.ops / self.bytes if self.bytes else float("inf")


def point_of(work: Work, batch_size: int, seconds: float) -> Point:
    """A whole call: weights are read once for all samples."""
    return Point(
        ops=2.0 * work.macs * batch_size,
        bytes=float(work.weight_bytes + work.io_bytes * batch_size),
        seconds=seconds,
        dtype=work.dtype,
    )


def peak_of(limits: Limits, dtype: ComputeType) -> Peak | None:
    """The peak of a type, or None where it was not measured."""
    return next((peak for peak in limits.peaks if peak.dtype == dtype), None)


def attainable(limits: Limits, point: Point) -> float | None:
    """The roof above a point, in operations a second."""
    peak = peak_of(limits, point.dtype)
    return None if peak is None else min(peak.ops_per_s, limits.bandwidth_bytes_per_s * point.intensity)


def is_bound_by_memory(limits: Limits, point: Point) -> bool | None:
    """True if the roof above a point is that of memory."""
    peak = peak_of(limits, point.dtype)
    return None if peak is None else limits.bandwidth_bytes_per_s * point.intensity < peak.ops_per_s
