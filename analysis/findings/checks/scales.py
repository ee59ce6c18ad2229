"""Scales that no method would choose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import QuantizedFile
from crossrt.analysis.onnx_graph import MOVING

_FEWEST: Final = 3
"""Layers that have the same scale by chance: fewer than this."""
_FEWEST_CHANNELS: Final = 4
_KINDS: Final = ("not finite", "zero", "zero or negative", "denormal")
_MISPLACED: Final = "another number of them than their axis has places"
_MOST: Final = {"weight": 1e6, "activation": 1e9}
"""Values beyond which weights and activations are none of a network; masks of attention reach -1e9 and less."""
_WIDEST: Final = 65535
"""Codes of more bits hold sums and positions, whose scale may be 1."""
_TINY: Final = float(np.finfo(np.float32).tiny)


@check("scales", place=40)
def scales(file: QuantizedFile) -> Outcome:
    """A scale that is not positive, or is too small for float32, ruins its tensor; so does a wrong number of them."""
    if not file.stored:
        return not_applicable("the file holds none")
    found = [each for stored in file.stored for each in _bad(stored)]
    if not found:
        return Outcome("all are positive, finite and normal")
    return Outcome("; ".join(_told(found)), found)


def _told(found: list[Finding]) -> Iterator[str]:
    """What is wrong, each kind of it with its tensors."""
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for each in found:
        what = each.found.removeprefix("a scale that is ").partition(":")[0]
        by_kind[what if what in _KINDS else "too large" if each.severity == "caution" else _MISPLACED].append(
            each.where
        )
    for kind, tensors in by_kind.items():
        yield f"{kind}: {named(list(dict.fromkeys(tensors)))}"


def _bad(stored: Stored) -> Iterator[Finding]:
    yield from _bad_values(stored)
    yield from _bad_count(stored)
    yield from _too_large(stored)


def _bad_values(stored: Stored) -> Iterator[Finding]:
    """Scales of blocks may be negative: the largest weight then has the lowest code, which reaches farther."""
    scale = stored.affine.scale.reshape(-1)
    kinds = {
        "not finite": ~np.isfinite(scale),
        "zero" if stored.block_size else "zero or negative": scale == 0 if stored.block_size else scale <= 0,
        "denormal": (scale != 0) & (np.abs(scale) < _TINY),
    }
    for kind, is_bad in kinds.items():
        if is_bad.any():
            unit = "blocks" if stored.block_size else "channels"
            channels = f" in {int(is_bad.sum())} of {scale.size} {unit}" if scale.size > 1 else ""
            yield Finding(
                severity="wrong",
                where=stored.name,
                found=f"a scale that is {kind}: {float(scale[is_bad][0]):.3g}{channels}",
                expected=f"a normal number above {_TINY:.3g}",
                to_do="calibrate again; a tensor that is zero throughout gets scale 1",
            )


def _bad_count(stored: Stored) -> Iterator[Finding]:
    scale = stored.affine.scale
    if stored.axis is not None and stored.integers is not None and stored.block_size is None:
        size = stored.integers.shape[stored.axis] if stored.axis < stored.integers.ndim else 0
        if scale.size not in (1, size):
            yield Finding(
                severity="wrong",
                where=stored.name,
                found=f"{scale.size} scales along axis {stored.axis}, which {_length(stored, size)}",
                expected="one for each channel",
                to_do="quantize it again, along the axis of the output channels",
            )


def _length(stored: Stored, size: int) -> str:
    rank = 0 if stored.integers is None else stored.integers.ndim
    return f"has {size} places" if size else f"its {rank} axes do not have"


def _too_large(stored: Stored) -> Iterator[Finding]:
    """Values beyond what networks hold: a scale that is finite, and no result of any method."""
    scale = np.abs(stored.affine.scale.reshape(-1).astype(np.float64))
    low, high = TYPES[stored.dtype]
    most = _MOST.get(stored.role, np.inf)
    is_bad = (high <= _WIDEST) & np.isfinite(scale) & (scale * (high - low) / 2 > most)
    if is_bad.any():
        channels = f" in {int(is_bad.sum())} of {scale.size} channels" if scale.size > 1 else ""
        worst = float(scale[is_bad].max())
        yield Finding(
            severity="caution",
            where=stored.name,
            found=f"scale {worst:.3g}{channels}, so that its {high - low} steps span {worst * (high - low):.3g}",
            expected=f"a range below {2 * most:.0g}, as in {stored.role}s of networks",
            to_do="calibrate again; a scale like this is a placeholder, or was never computed",
        )


@check("constant scales", place=42)
def constant_scales(file: QuantizedFile) -> Outcome:
    """The same scale everywhere, or 1, is a placeholder that was never replaced by one from data."""
    if not file.stored:
        return not_applicable("the file holds none")
    found = [*_ones(file), *_repeated_channels(file), *_repeated_layers(file)]
    if not found:
        return Outcome("they differ from channel to channel and from layer to layer")
    return Outcome(f"{len(found)} look like placeholders: {named([each.where for each in found])}", found)


def _ones(file: QuantizedFile) -> Iterator[Finding]:
    """Inputs in pixels have scale 1 by right, and so has what only passes them on."""
    given = _given(file)
    has_pixels = any((each.affine.scale == 1).all() and each.name in given for each in file.of_role("activation"))
    for each in file.stored:
        if each.role == "bias" or each.is_operand or not (each.affine.scale == 1).all():
            continue
        is_weight = each.role == "weight"
        is_used = is_weight and each.integers is not None and each.integers.size > 1
        is_used = is_used and each.integers is not None and bool((each.integers != 0).any())
        if is_used or (not is_weight and not has_pixels):
            yield Finding(
                severity="caution",
                where=each.name,
                found="scale 1" + (" in every channel" if each.affine.scale.size > 1 else ""),
                expected="a scale that follows from its values",
                to_do="calibrate again; an activation that is zero in all calibration samples has scale 1, too",
            )


def _given(file: QuantizedFile) -> set[str]:
    """The model's inputs, and what only converts or moves them."""
    made = {name for each in file.operators for name in each.outputs}
    found = {name for each in file.operators for name in each.inputs if name not in made}
    for each in file.operators:
        if each.kind in MOVING and each.inputs and each.inputs[0] in found:
            found.update(each.outputs)
    return found


def _repeated_channels(file: QuantizedFile) -> Iterator[Finding]:
    for each in file.of_role("weight"):
        scale = each.affine.scale
        first = float(scale.reshape(-1)[0])
        if each.block_size is None and scale.size >= _FEWEST_CHANNELS and first != 1 and (scale == first).all():
            yield Finding(
                severity="caution",
                where=each.name,
                found=f"{scale.size} channels, all with scale {first:.6g}",
                expected="a scale for each channel from its own weights",
                to_do="quantize per channel, or per tensor, which says the same in less room",
            )


def _repeated_layers(file: QuantizedFile) -> Iterator[Finding]:
    """Results of layers, and weights, of different layers with one scale to the last bit."""
    outputs = {each.output.name: each.output for each in file.layers if each.output is not None}
    weights = {each.weight.name: each.weight for each in file.layers if each.weight is not None}
    for what, tensors in (("activations", outputs), ("weights", weights)):
        by_scale: defaultdict[float, list[str]] = defaultdict(list)
        for name, each in tensors.items():
            if each.affine.scale.size == 1:
                by_scale[float(each.affine.scale.reshape(-1)[0])].append(name)
        for scale, names in by_scale.items():
            if len(names) >= _FEWEST and scale != 1:
                yield Finding(
                    severity="caution",
                    where=named(names),
                    found=f"{len(names)} {what} of different layers have scale {scale:.6g}, to the last bit",
                    expected="a scale for each tensor from its own values",
                    to_do="calibrate again: the scale looks like a placeholder",
                )
