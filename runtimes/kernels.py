"""What a runtime runs for one call, in one vocabulary for all runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

KernelKind = Literal["integer", "hybrid", "float", "conversion", "layout"]

_CONVERSIONS: Final = frozenset(
    (
        *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "QUANTIZE", "DEQUANTIZE", "CAST"),
        *("FakeQuantize", "Convert"),
    )
)
_LAYOUT: Final = frozenset(
    (
        *("Reshape", "Transpose", "ReorderInput", "ReorderOutput", "Squeeze", "Unsqueeze", "Flatten", "Identity"),
        *("Shape", "Slice", "Gather", "Concat", "Expand", "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "SHAPE"),
        *("STRIDED_SLICE", "PACK", "SLICE", "CONCATENATION", "PAD", "StridedSlice", "Concatenation", "Pad"),
    )
)
_INTEGER_ARITHMETIC: Final = frozenset(("MatMulInteger", "MatMulIntegerToFloat", "ConvInteger"))
"""Kernels that take integers by definition."""

_INTEGER_WEIGHTS: Final = frozenset(
    ("DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulNBits", "QMoE", "GatherBlockQuantized")
)
"""Kernels whose weights are integers by definition: ONNX Runtime does not list them where it packed them beforehand."""

_INTEGERS: Final = ("int8", "uint8", "int16", "uint16", "int4", "uint4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One step of a call.

    Attributes:
        operator: Its type, in the runtime's own words.
        name: The node, or the tensor that it makes.
        kind: Arithmetic on integers, on floats with integer weights, or on floats; conversion between the two; or data
            moved and not changed.
        dtype: Its input dtype, as numpy names it.
        delegate: Who runs it in the runtime's place, such as `XNNPACK`, or the implementation that it chose, such as
            OpenVINO's `brgconv_avx512_I8`; None for the runtime itself.
        duration_ns: Time in one call, while a profiler looked on; None where the runtime does not tell.
    """

    operator: str
    name: str
    kind: KernelKind
    dtype: str
    delegate: str | None = None
    duration_ns: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All kernels of a call in order, and the whole call under the same profiler where it is known."""

    kernels: tuple[Kernel, ...]
    call_ns: float | None = None


def kind_of(operator: str, dtypes: Sequence[str]) -> KernelKind:
    """The kind of a kernel.

    Args:
        operator: Its type.
        dtypes: Of its inputs, in order; the first is that of its data.
    """
    if operator in _CONVERSIONS:
        return "conversion"
    if operator in _LAYOUT:
        return "layout"
    if operator in _INTEGER_ARITHMETIC or (dtypes and dtypes[0] in _INTEGERS):
        return "integer"
    has_integer_weights = operator in _INTEGER_WEIGHTS or (len(dtypes) > 1 and dtypes[1] in _INTEGERS)
    return "hybrid" if has_integer_weights else "float"
