"""The weights of a quantized file beside those of the float file: what quantization loses is little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import along
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.kinds import plain_kind
from crossrt.analysis.findings.protocol import Outcome, compare, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile, bits_of

_LEAST_DB: Final = {8: 8.0, 4: 4.0}
"""Below what any method leaves: rounding to 8 bits 25 dB and more, GPFQ (where inputs are rarely other than 0) 11; to 4
bits with one scale about 8. Weights of another model leave 0."""

_TURNS: Final = 10
"""Of fitting factors of outputs and of inputs."""


@compare("float file's weights", place=110)
def weights_of_the_float_file(file: QuantizedFile, original: QuantizedFile) -> Outcome:
    """Weights in the wrong order, along the wrong axis, or of another model are no rounding."""
    pairs = list(_pairs(file, original))
    if not pairs:
        return not_applicable("no weight has a counterpart by name or by the order of layers")
    judged = [(layer, *_ratios(layer, values)) for layer, values in pairs]
    found, scaled = [], []
    for layer, plain, with_gain, with_gains in judged:
        least = _LEAST_DB.get(bits_of(layer.weight.dtype) if layer.weight is not None else 0, 0.0)
        if plain >= least:
            continue
        if with_gain >= least:
            scaled.append(layer.name)
        elif with_gains >= least:
            found.append(_rescaled(layer, with_gains))
        else:
            found.append(_finding(layer, plain, least))
    told = f"{min(plain for _, plain, *_ in judged):.1f} dB or better over {len(pairs)} weights"
    if scaled:
        told = f"{named(scaled)}: equal up to a factor for each channel, as after folding BatchNorm or equalization"
    if equalized := [each.where for each in found if each.severity == "note"]:
        told = f"{named(equalized)}: equal up to a factor for each input and output, as after equalization"
    if other := [each.where for each in found if each.severity != "note"]:
        told = f"{len(other)} differ by more than rounding: {named(other)}"
    return Outcome(told, found)


def _rescaled(layer: Layer, ratio: float) -> Finding:
    assert layer.weight is not None
    return Finding(
        severity="note",
        where=layer.weight.name,
        found=f"{ratio:.1f} dB from the float weights of {layer.kind} {layer.name}, with a factor for each input and"
        " output",
        expected="such factors after equalization across layers only",
        to_do="where nothing was equalized, check the axis of the scales",
    )


def _finding(layer: Layer, ratio: float, least: float) -> Finding:
    assert layer.weight is not None
    return Finding(
        severity="caution",
        where=layer.weight.name,
        found=f"{ratio:.1f} dB from the float weights of {layer.kind} {layer.name}",
        expected=f"{least:.0f} dB and more",
        to_do="check that both files are of one model, and the axis and order of scales and codes",
    )


def _pairs(file: QuantizedFile, original: QuantizedFile) -> Iterator[tuple[Layer, NDArray[Any]]]:
    """Quantized layers with the float weights that they come from: by name, else by the order of layers."""
    theirs, mine = original.layers, file.layers
    kinds = [[_matrix(each.kind) for each in side] for side in (theirs, mine)]
    in_order = dict(zip((each.name for each in mine), theirs, strict=True)) if kinds[0] == kinds[1] else {}
    for layer in mine:
        if layer.weight is None or layer.weight.integers is None:
            continue
        name = layer.weight.name
        other = in_order.get(layer.name)
        values = original.floats.get(name)
        if values is None and other is not None and other.float_weight is not None:
            values = original.floats.get(other.float_weight)
        if values is not None and values.size == layer.weight.integers.size:
            yield layer, values


def _matrix(kind: str) -> str:
    """Gemm becomes MatMul in some quantizers."""
    return "MatMul" if plain_kind(kind) == "Gemm" else plain_kind(kind)


def _ratios(layer: Layer, values: NDArray[Any]) -> tuple[float, float, float]:
    """Signal to noise as the weights are, with a factor for each output channel, and with one for each input, in dB."""
    assert layer.weight is not None
    real = dequantized(layer.weight)
    axis = layer.channel_axis % max(real.ndim, 1) if layer.weight.block_size is None else 0
    candidates = [values] if values.shape == real.shape else []
    if values.ndim == 2 and values.T.shape == real.shape:
        candidates.append(values.T)
    if not candidates:
        return np.inf, np.inf, np.inf  # laid out in another way: nothing can be said
    plain = max(_decibels(each, real) for each in candidates)
    if plain >= max(_LEAST_DB.values()):
        return plain, plain, plain
    gains = [max(_decibels(fit(each, real, axis), real) for each in candidates) for fit in (_with_gain, _with_gains)]
    return plain, gains[0], gains[1]


def _with_gain(values: NDArray[Any], real: NDArray[Any], axis: int) -> NDArray[np.float64]:
    others = tuple(each for each in range(values.ndim) if each != axis)
    values = values.astype(np.float64)
    power = np.maximum((values**2).sum(axis=others, keepdims=True), np.finfo(np.float64).tiny)
    gain: NDArray[np.float64] = (values * real).sum(axis=others, keepdims=True) / power
    return values * gain


def _with_gains(values: NDArray[Any], real: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """The same with a factor for each input as well, as equalization across layers leaves; found in turns."""
    inputs = 1 - axis if axis in (0, 1) else 0
    found = _with_gain(values, real, axis)
    for _ in range(_TURNS if values.ndim > 1 else 0):
        found = _with_gain(_with_gain(found, real, inputs), real, axis)
    return found


def _decibels(values: NDArray[Any], real: NDArray[Any]) -> float:
    signal, noise = float((values.astype(np.float64) ** 2).sum()), float(((values - real) ** 2).sum())
    return float(10 * np.log10(max(signal, 1e-300) / max(noise, 1e-300)))


def dequantized(stored: Stored) -> NDArray[np.float64]:
    """The values that the codes of a tensor stand for."""
    codes = np.asarray(stored.integers).astype(np.float64)
    scale, zero_point = stored.affine.scale.astype(np.float64), stored.affine.zero_point.astype(np.float64)
    if stored.block_size is not None:
        axis = (stored.axis or 0) % codes.ndim
        scale, zero_point = (
            np.take(np.repeat(each, stored.block_size, axis=axis), range(codes.shape[axis]), axis=axis)
            for each in (scale, zero_point)
        )
        return np.asarray((codes - zero_point) * scale)
    return np.asarray((codes - along(zero_point, codes, stored.axis)) * along(scale, codes, stored.axis))
