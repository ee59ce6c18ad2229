"""Do weights use the integers that they are given, and no more than that?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile, bits_of

_LITTLE: Final = 0.25
"""Of the range; weights that use less have given away two bits. With a bit kept free on purpose they use a half."""
_MOST_CLIPPED: Final = 0.05
_FEWEST: Final = 64
_FEWEST_IN_BLOCKS: Final = 0.1
_MANY: Final = 0.25
_STAND_FOR_ZERO: Final = "stand for 0"
_LARGE_BIAS: Final = 2**29


@check("weight range", place=60)
def weight_range(file: QuantizedFile) -> Outcome:
    """A scale far too large leaves most integers unused; one far too small cuts weights off."""
    weights = [each for each in file.of_role("weight") if _is_matrix(each)]
    if not weights:
        return not_applicable("the file holds no integer weights")
    widened = {each.weight.name for each in file.layers if each.weight is not None and _has_large_bias(each.bias)}
    found = [each for stored in weights for each in _of(stored, is_widened=stored.name in widened)]
    found += [each for layer in file.layers for each in _zero_channels(layer, has_original=file.original is not None)]
    if not found:
        return Outcome("all use the integers of their type")
    bad = list(dict.fromkeys(each.where for each in found))
    if all(each.found.endswith(_STAND_FOR_ZERO) for each in found):
        return Outcome(f"{len(bad)} of {len(weights)} are 0, wholly or in many channels: {named(bad)}", found)
    return Outcome(f"{len(bad)} of {len(weights)} use few of their integers, or are cut off: {named(bad)}", found)


def _is_matrix(stored: Stored) -> bool:
    codes = stored.integers
    return codes is not None and codes.size > 1 and (codes.ndim > 1 or codes.size >= _FEWEST)


def _has_large_bias(bias: Stored | None) -> bool:
    """The TFLite converter widens the scale of a weight until its bias fits int32."""
    return bias is not None and bias.integers is not None and bool((np.abs(bias.integers) >= _LARGE_BIAS).any())


def _zero_channels(layer: Layer, *, has_original: bool) -> Iterator[Finding]:
    """Weights that are 0 throughout, or in many channels; the float file shows by itself which are so by right."""
    if layer.weight is None or has_original:
        return
    is_zero = zero_channels(layer)
    count, total = int(is_zero.sum()), is_zero.size
    if total and (count == total or (count > 1 and count >= _MANY * total)):
        unit = "blocks" if layer.weight.block_size is not None else "channels"
        part = "all its codes" if count == total else f"all codes of {count} of {total} {unit}"
        yield Finding(
            severity="caution",
            where=layer.weight.name,
            found=f"{part} {_STAND_FOR_ZERO}",
            expected="weights other than 0, unless the float model was pruned",
            to_do="compare with the float file: --float FLOAT_FILE",
        )


def zero_channels(layer: Layer) -> NDArray[np.bool_]:
    """Which output channels of a layer, or blocks, have only weights of 0; none where that is not known."""
    weight = layer.weight
    if weight is None or weight.integers is None:
        return np.zeros(0, bool)
    rows = _by_scale(weight) if weight.block_size is not None else layer.rows()
    zero_point = weight.affine.zero_point.reshape(-1)
    if rows is None or zero_point.size not in (1, len(rows)):
        return np.zeros(0, bool)
    if not rows.shape[1]:
        return np.ones(len(rows), bool)
    least, greatest = _ends(rows)
    return np.asarray((least == zero_point) & (greatest == zero_point))


def _ends(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Least and greatest code of each row, which must not be empty."""
    rows = np.ascontiguousarray(rows)  # rows that lie across memory take many times as long
    return rows.min(axis=1), rows.max(axis=1)


def _of(stored: Stored, *, is_widened: bool) -> Iterator[Finding]:
    used, full = _used(stored)
    share = float((used < _LITTLE * full).mean())
    is_block = stored.block_size is not None
    if share > (_FEWEST_IN_BLOCKS if is_block else 0) and not is_widened:
        worst = int(used.min())
        unit = "blocks" if is_block else "channels"
        part = f" in {round(share * used.size)} of {used.size} {unit}" if used.size > 1 else ""
        yield Finding(
            severity="caution",
            where=stored.name,
            found=f"codes at most {worst} from the zero point{part}",
            expected=f"about {full:.0f} of {stored.dtype}: the scale is {full / max(worst, 1):.1f} times too large",
            to_do="compute the scale from the largest weight of each channel or tensor",
        )
    yield from _clipped(stored)


def _used(stored: Stored) -> tuple[NDArray[np.float64], float]:
    """How far from the zero point codes lie at most, for each scale, and how far they could; all-zero ones left out.

    With a zero point in the middle that is one side; with another it is the width of the codes over that of the type.
    """
    codes = _by_scale(stored)
    low, high = TYPES[stored.dtype]
    full = float((high - low) // 2 if stored.is_symmetric else high - low)
    if not codes.size:
        return np.full(1, full), full
    zero_point = stored.affine.zero_point.reshape(-1) if len(codes) == stored.affine.zero_point.size else 0
    least, greatest = (each - zero_point for each in _ends(codes))
    is_used = (least != 0) | (greatest != 0)
    used = np.maximum(-least, greatest) if stored.is_symmetric else np.maximum(greatest, 0) - np.minimum(least, 0)
    kept = used[is_used].astype(np.float64)
    return (kept if kept.size else np.full(1, full)), full


def _by_scale(stored: Stored) -> NDArray[Any]:
    """Codes in a row for each scale."""
    codes, count = np.asarray(stored.integers), stored.affine.scale.size
    if count == 1:
        return codes.reshape(1, -1)
    axis = stored.axis or 0
    if stored.block_size is not None:
        return _blocks(codes, axis, stored.block_size)
    if axis >= codes.ndim or codes.shape[axis] != count:
        return codes.reshape(1, -1)
    return np.moveaxis(codes, axis, 0).reshape(count, -1)


def _blocks(codes: NDArray[Any], axis: int, size: int) -> NDArray[Any]:
    """Rows of whole blocks; what is left at an end is a block of fewer values, and is not judged."""
    last = np.moveaxis(codes, axis, -1)
    whole = last.shape[-1] // size * size
    return last[..., :whole].reshape(-1, size) if whole else last.reshape(-1, last.shape[-1])


def _clipped(stored: Stored) -> Iterator[Finding]:
    """In a row at least one code lies at an end by right; of 8 bits, hardly any other does."""
    codes = _by_scale(stored)
    low, high = TYPES[stored.dtype]
    if bits_of(stored.dtype) != 8 or codes.size < _FEWEST:
        return
    at_ends = (codes >= high) | (codes <= (low + 1 if stored.is_symmetric else low))
    share = max(0, int(at_ends.sum()) - (1 if stored.is_symmetric else 2) * len(codes)) / codes.size
    if share > _MOST_CLIPPED:
        yield Finding(
            severity="caution",
            where=stored.name,
            found=f"{share:.0%} of its codes are {low if not stored.is_symmetric else low + 1} or {high}",
            expected=f"at most {_MOST_CLIPPED:.0%}: larger weights are cut off",
            to_do="compute the scale from the largest weight, or compare the answers with those of such a file",
        )
