"""What can be said of a quantized file without knowing how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from crossrt.analysis.audit.affine import TYPES, bias_affine
from crossrt.analysis.audit.record import Check, Severity, Stored
from crossrt.exporters.sources.onnx_weights import FLOATS, INTEGERS, quantized_share

_BIAS_TOLERANCE: Final = 1e-3
_MOST_NAMED: Final = 4
_LITTLE: Final = 0.5
"""Below this share of quantized weight bytes most of a file is still in float."""


def checks(stored: Sequence[Stored], weight_bytes: Mapping[str, int]) -> Iterator[Check]:
    """Everything that is looked at, in the order of a report.

    Args:
        stored: The quantized tensors of the file.
        weight_bytes: Bytes of its weights by dtype.
    """
    weights = _without_scales(stored, weight_bytes)
    yield _share(weights)
    yield _floats_left(weights)
    yield from _layout(stored)
    yield _bad_scales(stored)
    yield _zero_points(stored)
    yield _biases(stored)


def _without_scales(stored: Sequence[Stored], weight_bytes: Mapping[str, int]) -> dict[str, int]:
    """Bytes of weights by dtype, scales not counted."""
    scales = sum(each.affine.scale.nbytes for each in stored)
    return {name: max(0, size - scales) if name == "float32" else size for name, size in weight_bytes.items()}


def _share(weight_bytes: Mapping[str, int]) -> Check:
    share = quantized_share(weight_bytes)
    severity: Severity = "wrong" if not share else "ok" if share >= _LITTLE else "caution"
    return Check(name="quantized weights", severity=severity, text=f"{share:.1%} of the bytes of weights are integers")


def _floats_left(weight_bytes: Mapping[str, int]) -> Check:
    left = {name: size for name, size in weight_bytes.items() if name in FLOATS and size}
    total = sum(left.values()) + sum(size for name, size in weight_bytes.items() if name in INTEGERS)
    if not left:
        return Check(name="float weights", severity="ok", text="none are left")
    told = ", ".join(f"{size:,} bytes of {name}" for name, size in left.items())
    severity: Severity = "note" if sum(left.values()) * 10 < total else "caution"
    return Check(name="float weights", severity=severity, text=f"left in the file: {told}")


def _layout(stored: Sequence[Stored]) -> Iterator[Check]:
    for role in ("activation", "weight"):
        tensors = [each for each in stored if each.role == role]
        if not tensors:
            yield Check(name=f"{role}s", severity="note", text="none with scales in the file")
            continue
        types = ", ".join(f"{count} {dtype}" for dtype, count in Counter(each.dtype for each in tensors).most_common())
        channels = sum(each.affine.scale.size > 1 for each in tensors)
        symmetric = sum(each.is_symmetric for each in tensors)
        yield Check(
            name=f"{role}s",
            severity="ok",
            text=f"{types}; {len(tensors) - channels} per tensor, {channels} per channel; {symmetric} symmetric",
        )


def _bad_scales(stored: Sequence[Stored]) -> Check:
    """A scale that is not positive, or is too small for float32, ruins its tensor; 1 stands for a constant zero."""
    bad, constant = [], []
    for each in stored:
        scale = each.affine.scale
        if not np.isfinite(scale).all() or (scale <= 0).any() or (scale < np.finfo(np.float32).tiny).any():
            bad.append(each)
        elif each.role == "activation" and (scale == 1).all() and (each.affine.zero_point == 0).all():
            constant.append(each)
    if bad:
        text = f"{len(bad)} are zero, negative, denormal or not finite: {_named(bad)}"
        return Check(name="scales", severity="wrong", text=text)
    if constant:
        text = f"{len(constant)} activations have scale 1: constant zero over the calibration data: {_named(constant)}"
        return Check(name="scales", severity="caution", text=text)
    return Check(name="scales", severity="ok", text="all are positive, finite and normal")


def _zero_points(stored: Sequence[Stored]) -> Check:
    """0.0 must have an integer of its own: padding, Relu and biases rely on it."""
    outside = []
    for each in stored:
        low, high = TYPES[each.dtype]
        if ((each.affine.zero_point < low) | (each.affine.zero_point > high)).any():
            outside.append(each)
    if outside:
        text = f"{len(outside)} tensors cannot hold 0.0: their zero point is out of range: {_named(outside)}"
        return Check(name="zero points", severity="wrong", text=text)
    return Check(name="zero points", severity="ok", text="every tensor holds 0.0 exactly")


def _biases(stored: Sequence[Stored]) -> Check:
    by_name = {(each.role, each.name): each for each in stored}
    biases = [each for each in stored if each.role == "bias"]
    known, wrong = 0, []
    for each in biases:
        source = by_name.get(("activation", each.source or ""))
        weight = by_name.get(("weight", each.weight or ""))
        if source is None or weight is None:
            continue
        known += 1
        expected = bias_affine(source.affine, weight.affine).scale.reshape(-1)
        found = each.affine.scale.reshape(-1)
        same_size = expected.size in (1, found.size)
        if (
            not same_size
            or not np.allclose(found, expected, rtol=_BIAS_TOLERANCE, atol=0)
            or each.affine.zero_point.any()
        ):
            wrong.append(each)
    if wrong:
        text = f"{len(wrong)} of {known} are not the input's times the weight's, with zero point 0: {_named(wrong)}"
        return Check(name="bias scales", severity="wrong", text=text)
    implied = len(biases) - known
    if not biases:
        return Check(name="bias scales", severity="ok", text="no quantized bias")
    text = f"{known} are the input's times the weight's" + (
        f"; {implied} follow from their operator" if implied else ""
    )
    return Check(name="bias scales", severity="ok", text=text)


def _named(tensors: Sequence[Stored]) -> str:
    more = len(tensors) - _MOST_NAMED
    return ", ".join(each.name for each in tensors[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
