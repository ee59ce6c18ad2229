"""The affine scheme, `real = scale * (q - zero_point)`, written down once and plainly.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(2018), equation 1; rounding and saturation as in ONNX's QuantizeLinear. Arrays broadcast: a scale is one number, or
one for each channel along an axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

TYPES: Final = {
    "int2": (-2, 1),
    "uint2": (0, 3),
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "float8e4m3fn": (-448, 448),
    "float8e4m3fnuz": (-240, 240),
    "float8e5m2": (-57344, 57344),
    "float8e5m2fnuz": (-57344, 57344),
}
"""Least and greatest code of each type; those of the 8-bit floats are the bounds of Micikevicius et al. (2022)."""

_RESTRICTED = ("int8", "int16")

_NARROWEST: Final = 1e-6
"""The TFLite converter widens every range that is not wider than this."""


@dataclass(frozen=True, slots=True)
class Affine:
    """Scale, float32, and zero point of a tensor, both of shape `()` or `(channels,)`."""

    scale: Floats
    zero_point: Integers


def integer_range(dtype: str, *, is_symmetric: bool = False, is_reduced: bool = False) -> tuple[int, int]:
    """The integers that stand for values.

    Args:
        dtype: Such as `int8`.
        is_symmetric: int8 and int16 give up their lowest value, so that the range lies evenly around 0; int4, where
            that would be one of sixteen, keeps it.
        is_reduced: One bit fewer, for processors whose 16-bit sums of products would saturate.
    """
    low, high = TYPES[dtype]
    if is_reduced:
        return (0, high // 2) if low == 0 else (-(high + 1) // 2, (high + 1) // 2)
    return (-high, high) if is_symmetric and dtype in _RESTRICTED else (low, high)


def widened_codes(codes: NDArray[Any]) -> NDArray[Any]:
    """Integers as differences and magnitudes of them can be computed: int16 for those of 8 bits and fewer, or int64."""
    return codes.astype(np.int16 if codes.dtype.itemsize == 1 else np.int64)


def affine_from_range(low: Floats, high: Floats, integers: tuple[int, int], *, is_symmetric: bool) -> Affine:
    """Scale and zero point for values between two bounds; the range is widened to hold zero.

    `scale = (high - low) / (qmax - qmin)` and `zero_point = round(qmin - low / scale)`, half to even, in float64. A
    range too small to have a scale in float32 gets scale 1.

    Args:
        low: Least value, shape `()` or `(channels,)`.
        high: Greatest value.
        integers: `qmin` and `qmax`.
        is_symmetric: The range is widened to lie evenly around zero, whose integer is the middle one.
    """
    qmin, qmax = integers
    bottom, top = np.minimum(low, 0).astype(np.float64), np.maximum(high, 0).astype(np.float64)
    if is_symmetric:
        top = np.maximum(-bottom, top)
        bottom = -top
    scale = (top - bottom) / (qmax - qmin)
    is_tiny = scale < np.finfo(np.float32).tiny
    divisor = np.where(is_tiny, 1.0, scale)
    zero_point = np.rint((qmin + qmax) / 2) if is_symmetric else np.rint(qmin - bottom / divisor)
    return Affine(
        scale=np.asarray(divisor, dtype=np.float32),
        zero_point=np.where(is_tiny, 0, zero_point).astype(np.int64),
    )


def affine_of_tflite(
    low: Floats, high: Floats, integers: tuple[int, int], *, is_symmetric: bool, is_constant: bool = False
) -> Affine:
    """The same as `affine_from_range` in the arithmetic of the TFLite converter.

    Range and scale are float32, and each operation is rounded; a zero point in the middle of two integers is rounded
    away from zero. A very narrow range is widened: by 1e-6 at both ends, that of constants to half of it. Source:
    `DownCastScale`, `TensorRangeSanityCheck` and `ExpandVerySmallRange` of TensorFlow Lite's quantization library.

    Args:
        low: Least value, shape `()` or `(channels,)`.
        high: Greatest value.
        integers: `qmin` and `qmax`.
        is_symmetric: The range is widened to lie evenly around zero, whose integer is the middle one.
        is_constant: The values are in the file, not observed.
    """
    qmin, qmax = integers
    bottom, top = np.minimum(low, 0).astype(np.float64), np.maximum(high, 0).astype(np.float64)
    if is_symmetric:
        top = np.maximum(-bottom, top)
        bottom = -top
    bottom, top = _widened(bottom, top, is_constant=is_constant)
    scale = (top.astype(np.float32) - bottom.astype(np.float32)) / np.float32(qmax - qmin)
    exact = (qmin - bottom / scale.astype(np.float64)).astype(np.float32).astype(np.float64)
    nearest = np.copysign(np.floor(np.abs(exact) + 0.5), exact)
    zero_point = np.full(scale.shape, (qmin + qmax) // 2) if is_symmetric else np.clip(nearest, qmin, qmax)
    return Affine(scale=np.asarray(scale, dtype=np.float32), zero_point=np.asarray(zero_point, dtype=np.int64))


def _widened(bottom: Doubles, top: Doubles, *, is_constant: bool) -> tuple[Doubles, Doubles]:
    width = top - bottom
    if is_constant:
        half, is_narrow = _NARROWEST / 2, width <= _NARROWEST
        return np.where(is_narrow, np.minimum(bottom, -half), bottom), np.where(is_narrow, np.maximum(top, half), top)
    added = np.where(width < _NARROWEST, _NARROWEST, 0.0)
    return bottom - added, top + added


def quantize(values: Floats, affine: Affine, integers: tuple[int, int], axis: int | None = None) -> Integers:
    """The nearest integers, half to even, saturated at both ends."""
    scale, zero_point = along(affine.scale, values, axis), along(affine.zero_point, values, axis)
    nearest: Integers = np.rint(values / scale).astype(np.int64) + zero_point
    return np.clip(nearest, *integers)


def dequantize(integers: NDArray[Any], affine: Affine, axis: int | None = None) -> Floats:
    """The values that integers stand for, float32."""
    scale, zero_point = along(affine.scale, integers, axis), along(affine.zero_point, integers, axis)
    values: Floats = (integers.astype(np.int64) - zero_point).astype(np.float32) * scale
    return values


def bias_affine(source: Affine, weight: Affine) -> Affine:
    """A bias is added to sums of products, so its scale is the product of theirs, and its zero point 0."""
    scale = np.asarray(source.scale * weight.scale, dtype=np.float32)
    return Affine(scale=scale, zero_point=np.zeros(scale.shape, dtype=np.int64))


def quantize_bias(values: Floats, affine: Affine) -> Integers:
    """A bias as int32; divided in float64, as its integers are large."""
    exact = np.rint(values.astype(np.float64) / affine.scale.astype(np.float64))
    return np.clip(exact, *TYPES["int32"]).astype(np.int64)


def matmul(
    a: NDArray[Any], b: NDArray[Any], of_a: Affine, of_b: Affine, out: Affine, integers: tuple[int, int]
) -> Integers:
    """The product of two quantized matrices, quantized: ONNX's QLinearMatMul, with sums in int32."""
    sums = (a.astype(np.int32) - of_a.zero_point.astype(np.int32)) @ (
        b.astype(np.int32) - of_b.zero_point.astype(np.int32)
    )
    multiplier = of_a.scale * of_b.scale / out.scale
    return np.clip(np.rint(sums * multiplier + out.zero_point), *integers).astype(np.int64)


def along(values: NDArray[Any], other: NDArray[Any], axis: int | None) -> NDArray[Any]:
    """Channels laid out along an axis of another array."""
    if axis is None or values.ndim == 0:
        return values
    shape = [1] * other.ndim
    shape[axis] = -1
    return values.reshape(shape)
