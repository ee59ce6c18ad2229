"""Certificates from the weights: can sums of products leave the integers that hold them, whatever the input?

Sums are int32 (Jacob et al. 2018, section 2.2). On x86 without VNNI instructions ONNX Runtime multiplies uint8 by int8
with `vpmaddubsw`, which adds two neighbouring products in int16 and saturates (Intel's Software Developer's Manual,
PMADDUBSW; ONNX Runtime, "Quantize ONNX models", on U8S8).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile, bits_of
from crossrt.analysis.findings.weight_sums import parts_of, weight_sums

_INT16, _INT32 = TYPES["int16"], TYPES["int32"]
_BYTE: Final = 255


@check("int32 sums", place=80)
def int32_sums(file: QuantizedFile) -> Outcome:
    """The largest sum that codes of the input's type can make of a channel's weights, its bias added."""
    layers = [each for each in file.layers if _has_sums(each)]
    if not layers:
        return not_applicable("no layer adds products of 8-bit integers")
    bounds = [(each, *_bounds(each)) for each in layers]
    found = [each for layer, low, high in bounds for each in _overflows(layer, low, high)]
    most = max(max(-low.min(), high.max()) for _, low, high in bounds) / _INT32[1]
    if not found:
        return Outcome(f"cannot overflow: worst case {most:.2%} of int32")
    layers_named = named([each.where for each in found])
    return Outcome(f"in {len(found)} of {len(layers)} layers they can overflow: {layers_named}", found)


def _has_sums(layer: Layer) -> bool:
    source = layer.source.dtype if layer.source is not None else "uint8" if layer.is_dynamic else ""
    return bits_of(source) == 8 and not source.startswith("float") and _rows(layer) is not None


def _rows(layer: Layer) -> NDArray[Any] | None:
    weight = layer.weight
    if weight is None or weight.dtype.startswith("float") or weight.block_size is not None:
        return None
    return layer.rows()


def _bounds(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest sum for each channel: each weight meets the code that makes it worst."""
    sums = weight_sums(layer)
    positive, negative = sums.positive, sums.negative
    low, high = _codes(layer)
    bias = np.zeros(len(positive))
    if layer.bias is not None and layer.bias.integers is not None and layer.bias.integers.size == len(positive):
        bias = layer.bias.integers.reshape(-1).astype(np.float64)
    return positive * low + negative * high + bias, positive * high + negative * low + bias


def _codes(layer: Layer) -> tuple[float, float]:
    """How far codes of the input lie from its zero point."""
    if layer.source is None:  # chosen at every call: uint8 with any zero point
        return -_BYTE, _BYTE
    low, high = TYPES[layer.source.dtype]
    zero_point = float(layer.source.affine.zero_point.reshape(-1)[0])
    return low - zero_point, high - zero_point


def _overflows(layer: Layer, low: NDArray[np.float64], high: NDArray[np.float64]) -> Iterator[Finding]:
    is_over = (low < _INT32[0]) | (high > _INT32[1])
    if is_over.any():
        worst = max(float(-low.min()), float(high.max()))
        count = int(is_over.sum())
        yield Finding(
            severity="wrong",
            where=f"{layer.kind} {layer.name}",
            found=f"sums reach {worst:,.0f} in {count} of {len(low)} channels",
            expected=f"at most {_INT32[1]:,}, which int32 holds",
            to_do="split the layer, or give its weights fewer bits; a bias this large needs a larger scale",
        )


@check("int16 pairs", place=82)
def int16_pairs(file: QuantizedFile) -> Outcome:
    """Whether two neighbouring products can leave int16 on a processor without VNNI."""
    layers = [each for each in file.layers if _has_sums(each) and not each.is_depthwise]
    layers = [each for each in layers if each.weight is not None and each.weight.dtype == "int8"]
    if file.format != "onnx" or not layers:
        return not_applicable("no kernel adds pairs of uint8 times int8 in int16")
    found = [each for layer in layers for each in _saturating(layer)]
    if not found:
        return Outcome("cannot saturate, on processors without VNNI either")
    return Outcome(f"in {len(found)} of {len(layers)} layers they can saturate on x86 without VNNI (AVX2)", found)


def _saturating(layer: Layer) -> Iterator[Finding]:
    rows = _rows(layer)
    assert rows is not None
    low, high = np.zeros((2, len(rows)), np.int64)
    for some in parts_of(rows):
        part = rows[some].astype(np.int16)
        part = np.pad(part, ((0, 0), (0, part.shape[1] % 2)))
        first, second = part[:, ::2], part[:, 1::2]
        high[some[0]] = np.maximum(high[some[0]], (np.maximum(first, 0) + np.maximum(second, 0)).max(axis=1))
        low[some[0]] = np.minimum(low[some[0]], (np.minimum(first, 0) + np.minimum(second, 0)).min(axis=1))
    low, high = low * _BYTE, high * _BYTE
    is_over = (high > _INT16[1]) | (low < _INT16[0])
    if is_over.any():
        yield Finding(
            severity="note",
            where=f"{layer.kind} {layer.name}",
            found=f"pairs of products reach {max(int(high.max()), int(-low.min())):,} in {int(is_over.sum())} of"
            f" {len(rows)} channels",
            expected=f"at most {_INT16[1]:,}, which int16 holds",
            to_do="where it shall run without VNNI: reduce_range, uint8 weights, or session.x64quantprecision=1;"
            " crossrt bench FILE --cpu avx2 shows what it costs",
        )
