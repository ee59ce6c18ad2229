"""How near to the limits of the machine calls are: its peaks, its memory, and the work of each file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

ComputeType = Literal["float32", "bfloat16", "int8"]
_Rate = Annotated[float, Meta(gt=0, le=1e18)]
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Peak(Struct, frozen=True, kw_only=True):
    """The most operations a second that a package reached here: two for each multiply-accumulate (MAC)."""

    dtype: ComputeType
    ops_per_s: _Rate
    by: str


class Limits(Struct, frozen=True, kw_only=True):
    """What this machine can do with so many threads.

    `bandwidth_bytes_per_s` counts what a copy of arrays that are larger than all caches reads and writes. `missing`
    says what could not be measured, and why.
    """

    threads: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    peaks: tuple[Peak, ...]
    bandwidth_bytes_per_s: _Rate
    missing: tuple[str, ...] = ()


class Work(Struct, frozen=True, kw_only=True):
    """What a call of a file has to do for one sample, counted from its graph.

    `macs` are the multiply-accumulates of its convolutions and matrix products, `weight_bytes` their weights as the
    kernels read them, `io_bytes` inputs and outputs of the model. `dtype` is what most of it computes on; `uncounted`
    are operators whose work is not known.
    """

    artifact: Annotated[str, Meta(min_length=1)]
    dtype: ComputeType
    macs: _Count
    weight_bytes: _Count
    io_bytes: _Count
    uncounted: tuple[str, ...] = ()


class Roofline(Struct, frozen=True, kw_only=True):
    """Limits, and the work of the files of a report."""

    limits: Limits
    work: tuple[Work, ...]
