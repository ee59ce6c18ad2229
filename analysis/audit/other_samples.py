"""Scales that other or fewer samples explain: their ranges lie inside those of the samples that were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import AuditedTensor, Check, Finding

_MOST_NAMED: Final = 4


def with_other_samples(
    tensors: Sequence[AuditedTensor],
) -> tuple[tuple[AuditedTensor, ...], Check | None]:
    """The tensors with a verdict for narrower ranges, and the caution; both unchanged where that explains not all.

    Only where all that differ are activations, and all their ranges lie inside those expected: the ranges of a part of
    the samples cannot be wider than those of all of them.
    """
    different = [each for each in tensors if each.verdict == "different"]
    if not different or not all(_is_inside(each) for each in different):
        return tuple(tensors), None
    changed = tuple(
        msgspec.structs.replace(each, verdict="narrower") if each.verdict == "different" else each for each in tensors
    )
    return changed, _check(different)


def _is_inside(tensor: AuditedTensor) -> bool:
    """Whether a range lies inside the expected one, but for the rounding of the zero point."""
    if tensor.role != "activation" or tensor.expected_scale is None or tensor.expected_zero_point is None:
        return False
    low, high = _range(tensor.dtype, tensor.scale, tensor.zero_point)
    least, most = _range(tensor.dtype, tensor.expected_scale, tensor.expected_zero_point)
    return tensor.channels == 1 and low >= least - tensor.expected_scale and high <= most + tensor.expected_scale


def _range(dtype: str, scale: float, zero_point: int) -> tuple[float, float]:
    low, high = TYPES[dtype]
    return (low - zero_point) * scale, (high - zero_point) * scale


def _check(different: Sequence[AuditedTensor]) -> Check:
    names = [each.name for each in different]
    more = len(names) - _MOST_NAMED
    shown = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    share = max(1 - each.scale / each.expected_scale for each in different if each.expected_scale)
    found = f"ranges of {len(names)} activations lie inside those of the samples given, up to {share:.0%} narrower"
    return Check(
        name="calibration samples",
        severity="caution",
        text=f"{found}: other or fewer samples calibrated it, or ranges were clipped",
        findings=(
            Finding(
                severity="caution",
                where=shown,
                found=f"{found}; nothing else differs",
                expected="the very samples that calibrated the file, and no others",
                to_do="give exactly those with --calibration; if these are they, the quantizer clips ranges"
                " (percentile, entropy)",
            ),
        ),
    )
