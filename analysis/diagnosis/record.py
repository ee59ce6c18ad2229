"""What a diagnosis is asked and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import Struct

from crossrt.analysis.audit.record import Role
from crossrt.core.artifact import ModelFormat

Kernels = Literal["shipped", "simulated", "stored"]
BINS: Final = 40
MARGIN_BINS: Final = 8
"""Bins on each side of a histogram that lie outside the range: what falls there is clipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisJob:
    """What to diagnose.

    Attributes:
        path: The quantized file.
        float_path: The float file of the same format.
        format: Their format.
        folder: A scratch folder, which whoever starts the diagnosis removes.
        data: Fields of the `DataRequest` that both files answer.
        samples: How many samples to run at most, from the first.
        recipe: How it was quantized, as plain values, or None where that is not known.
        dimensions: Sizes of dynamic dimensions.
    """

    path: str
    float_path: str
    format: ModelFormat
    folder: str
    data: Mapping[str, Any]
    samples: int
    recipe: Mapping[str, Any] | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)


class DiagnosedTensor(Struct, frozen=True, kw_only=True):
    """One tensor beside its float counterpart.

    Attributes:
        name: The tensor, by its float name.
        role: Activation, weight or bias.
        dtype: Its integer type.
        place: Its place in the order of the layers.
        node: The ONNX node that computes it, for `nodes_to_exclude`.
        sqnr_db: Signal-to-quantization-noise ratio, `10 log10(sum x**2 / sum (x - x')**2)`; None without any noise.
        relative_error: `||x - x'|| / ||x||`.
        cosine: Cosine of the angle between `x` and `x'`.
        saturated: Share of integers at either end of their range.
        clipped: Share of float values outside the range that the integers can say.
        range_used: Width that the values take up over the width that the integers can say.
        histogram: Counts of the values in even bins over the range and a margin on both sides of it.
        kernels: Whether it was seen on the kernels that really run, on others, or lies in the file.
        precise_sqnr_db: The same ratio on kernels that cannot saturate between two products (ONNX Runtime's
            `session.x64quantprecision`); on a processor without VNNI instructions it may be far better.
        rounding: Share of the noise that rounding to its own integers explains, `scale**2 / 12` for each value (Widrow
            1956); activations alone.
        shift: Share of the noise that is the same for all samples, channel by channel: `mean(x' - x)**2` over the mean
            of `(x' - x)**2`; activations alone.
        channel_spread: Largest magnitude of a weight over the median of the largest magnitudes of its output channels;
            ONNX weights alone.
    """

    name: str
    role: Role
    dtype: str
    place: int
    node: str | None
    sqnr_db: float | None
    relative_error: float
    cosine: float
    saturated: float
    clipped: float
    range_used: float
    histogram: tuple[int, ...]
    kernels: Kernels
    precise_sqnr_db: float | None = None
    rounding: float | None = None
    shift: float | None = None
    channel_spread: float | None = None


class DiagnosedOutput(Struct, frozen=True, kw_only=True):
    """An output of the file as it is, with nothing added that could be seen, beside that of the float model.

    Attributes:
        name: Its name in the float model.
        sqnr_db: Signal-to-quantization-noise ratio; None without any noise.
        precise_sqnr_db: The same on kernels that cannot saturate between two products; static and dynamic ONNX alone.
    """

    name: str
    sqnr_db: float | None
    precise_sqnr_db: float | None = None


class Diagnosis(Struct, frozen=True, kw_only=True):
    """All tensors that have a counterpart.

    Attributes:
        tensors: In the order of the layers.
        samples: How many samples were run.
        available: How many the data set holds.
        outputs: Outputs that are numbers.
        missing: Quantized activations without a counterpart in the float model.
        causes: What the graphs show that makes such a file answer wrongly, each with its cure.
    """

    tensors: tuple[DiagnosedTensor, ...]
    samples: int
    available: int | None = None
    outputs: tuple[DiagnosedOutput, ...] = ()
    missing: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
