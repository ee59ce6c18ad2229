"""Weights in blocks, as ONNX Runtime's own operators hold them: several codes in a byte, the first in the low bits."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import Affine, widened_codes
from crossrt.analysis.audit.onnx_reading import plain_name
from crossrt.analysis.audit.record import Stored
from crossrt.analysis.onnx_graph import constant, taken

BLOCKS: Final = ("MatMulNBits", "GatherBlockQuantized")
_BYTE: Final = 8


def in_blocks(node: ir.Node) -> Stored | None:
    """The weights of such an operator, or None where they are no constants.

    Codes are unsigned; without zero points, that of the middle stands for 0.
    """
    codes, scale = constant(taken(node, 0 if node.op_type == "GatherBlockQuantized" else 1)), constant(taken(node, 2))
    if codes is None or scale is None:
        return None
    bits = _number(node, "bits", 4)
    if node.op_type == "GatherBlockQuantized":
        return _of_gather(node, codes, scale, bits)
    columns = _number(node, "N", codes.shape[0])
    rows = unpacked(codes.reshape(columns, -1), bits)[:, : _number(node, "K", 0) or None]
    scale = scale.reshape(columns, -1)
    zeros = constant(taken(node, 3))
    if zeros is not None and zeros.dtype == np.uint8:
        zeros = unpacked(zeros.reshape(columns, -1), bits)[:, : scale.shape[1]]
    return _stored(node, taken(node, 1), rows, scale, zeros, bits)


def _of_gather(node: ir.Node, codes: NDArray[Any], scale: NDArray[Any], bits: int) -> Stored | None:
    zeros = constant(taken(node, 3))
    if codes.dtype == np.uint8 and bits < _BYTE:
        codes = unpacked(codes, bits)
        zeros = None if zeros is None else unpacked(zeros, bits)[..., : scale.shape[-1]]
    return _stored(node, taken(node, 0), codes, scale, zeros, bits)


def _stored(
    node: ir.Node,
    value: ir.Value | None,
    codes: NDArray[Any],
    scale: NDArray[Any],
    zeros: NDArray[Any] | None,
    bits: int,
) -> Stored:
    middle = np.full(scale.shape, 1 << (bits - 1), np.int64)
    zero_point = middle if zeros is None else np.resize(np.rint(zeros.astype(np.float64)), scale.shape).astype(np.int64)
    return Stored(
        name=plain_name(value),
        role="weight",
        dtype=f"uint{bits}",
        affine=Affine(scale.astype(np.float32), zero_point),
        axis=codes.ndim - 1,
        integers=widened_codes(codes),
        block_size=_number(node, "block_size", 32),
    )


def unpacked(packed: NDArray[Any], bits: int) -> NDArray[Any]:
    """Codes of a few bits, low bits first, along the last axis."""
    if bits >= _BYTE:
        return packed
    raw = packed.astype(np.uint8)
    parts = [(raw >> shift) & ((1 << bits) - 1) for shift in range(0, _BYTE, bits)]
    return np.stack(parts, axis=-1).reshape(*raw.shape[:-1], -1)


def _number(node: ir.Node, name: str, default: int) -> int:
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())
