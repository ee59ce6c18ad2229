"""The weights of a quantized file beside those of the float file: what quantization loses is little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import along
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.checks.weight_range import zero_channels
from crossrt.analysis.findings.gains import Doubles, Fit, decibels, fits, folded_behind, times, with_gains
from crossrt.analysis.findings.kinds import plain_kind
from crossrt.analysis.findings.protocol import Outcome, compare, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile, bits_of

_LEAST_DB: Final = {8: 8.0, 4: 4.0}
"""Below what any method leaves: rounding to 8 bits 25 dB and more, GPFQ (where inputs are rarely other than 0) 11; to 4
bits with one scale about 8. Weights of another model leave 0."""
_FACTORS_DB: Final = 10.0
"""What a factor for each channel brings only where there is one: it does not make the noise of rounding less."""
_ENOUGH: Final = 4
"""Weights for each factor of an input or output; with fewer of them factors fit anything."""
_GAINED_DB: Final = 3.0
"""What a factor for each channel must bring, to be looked for in the layers behind."""


@compare("float file's weights", place=110)
def weights_of_the_float_file(file: QuantizedFile, original: QuantizedFile) -> Outcome:
    """Weights in the wrong order, along the wrong axis, of another model, or cut to 0, are no rounding."""
    pairs = [pair for each in _pairs(file, original) if (pair := _comparable(original, *each)) is not None]
    if not pairs:
        return not_applicable("no weight has a counterpart by name or by the order of layers")
    cut = [each for pair in pairs for each in _cut_to_zero(pair)]
    fitted = list(_fitted([each for each in pairs if not any(_cut_to_zero(each))]))
    found = [_differing(pair, fit) for pair, fit, is_ok in fitted if not is_ok]
    other = [each.where for each in found if each.severity != "note"]
    if cut or other:
        told = [f"{len(other)} differ by more than rounding: {named(other)}"] if other else []
        told += [f"{len(cut)} have channels that are cut to 0: {named([each.where for each in cut])}"] if cut else []
        return Outcome("; ".join(told), [*cut, *found])
    if found:
        names = named([each.where for each in found])
        return Outcome(f"{names}: equal up to a factor for each input and output, as after equalization", found)
    if scaled := [pair.layer.name for pair, fit, _ in fitted if fit.plain < pair.least or fit.inverse_of]:
        return Outcome(f"{named(scaled)}: equal up to a factor for each channel, by a folded BatchNorm or equalization")
    return Outcome(f"{min(fit.plain for _, fit, _ in fitted):.1f} dB or better over {len(pairs)} weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Weights of a layer, and the float ones in the orders that they may have.

    Attributes:
        layer: The quantized layer.
        values: The float weights, laid out as the quantized ones.
        candidates: These, and with the factors of a BatchNorm behind them.
        real: What the codes stand for.
        axis: Where output channels lie.
        is_free: Whether the float file has factors behind the layer that it does not tell.
        least: What rounding leaves at least, in dB.
    """

    layer: Layer
    values: Sequence[Doubles]
    candidates: Sequence[Doubles]
    real: Doubles
    axis: int
    is_free: bool
    least: float


def _comparable(original: QuantizedFile, layer: Layer, values: NDArray[Any], theirs: Layer | None) -> _Pair | None:
    """None where the weights are laid out in another way, or are no numbers: nothing can be said."""
    assert layer.weight is not None
    with np.errstate(invalid="ignore"):  # scales that are not finite: see scales
        real = dequantized(layer.weight)
    axis = layer.channel_axis % max(real.ndim, 1) if layer.weight.block_size is None else 0
    laid_out = [values] if values.shape == real.shape else []
    if values.ndim == 2 and values.T.shape == real.shape:
        laid_out.append(values.T)
    if not laid_out or not np.isfinite(real).all():
        return None
    plain = [each.astype(np.float64) for each in laid_out]
    folded = None if theirs is None else folded_behind(original, theirs, real.shape[axis])
    gain = None if folded is None else folded.gain
    known = [times(each, gain, axis) for each in plain] if gain is not None and gain.size == real.shape[axis] else []
    return _Pair(
        layer=layer,
        values=plain,
        candidates=[*plain, *known],
        real=real,
        axis=axis,
        is_free=folded is not None and not known,
        least=_LEAST_DB.get(bits_of(layer.weight.dtype), 0.0),
    )


def _cut_to_zero(pair: _Pair) -> Iterator[Finding]:
    """Channels of codes for 0 whose float weights are more than a step from it, which no method does."""
    weight, is_zero = pair.layer.weight, zero_channels(pair.layer)
    if weight is None or weight.block_size is not None or is_zero.size != pair.real.shape[pair.axis]:
        return
    step = np.resize(np.abs(weight.affine.scale.astype(np.float64)).reshape(-1), is_zero.size)
    others = tuple(each for each in range(pair.real.ndim) if each != pair.axis)
    largest = np.min([np.abs(each).max(axis=others) for each in pair.candidates], axis=0)
    is_cut = is_zero & (largest > step)
    if is_cut.any():
        yield Finding(
            severity="wrong",
            where=weight.name,
            found=f"all codes of {int(is_cut.sum())} of {is_zero.size} channels stand for 0, and their"
            f" float weights reach {float(largest[is_cut].max()):.3g}",
            expected="codes of the float weights",
            to_do="quantize the float file again",
        )


def _fitted(pairs: Sequence[_Pair]) -> Iterator[tuple[_Pair, Fit, bool]]:
    """Each pair as it fits best, and whether rounding, folding or equalization explains it."""
    gains, found, inverted = dict[str, Doubles](), list[tuple[_Pair, Fit]](), set[str]()
    for pair in pairs:
        fit = _best(pair, gains)
        inverted |= {fit.inverse_of} if fit.inverse_of else set()
        if fit.scaled >= max(pair.least, fit.plain + _GAINED_DB):
            gains[pair.layer.name] = fit.gain
        found.append((pair, fit))
    for pair, fit in found:
        is_explained = pair.is_free or pair.layer.name in inverted
        is_rounding = fit.plain >= min(pair.least + _FACTORS_DB, max(pair.least, fit.scaled - _FACTORS_DB))
        yield pair, fit, is_rounding or (fit.scaled >= pair.least and is_explained)


def _best(pair: _Pair, gains: dict[str, Doubles]) -> Fit:
    """As the weights are, unless an equalized layer before them explains clearly more."""
    ways = list(fits(pair.layer, pair.candidates, pair.real, pair.axis, gains))
    alone = [each for each in ways if each.inverse_of is None]
    simple, best = max(alone, key=lambda each: each.scaled), max(ways, key=lambda each: each.scaled)
    if best.scaled > simple.scaled + _GAINED_DB:
        return best
    return max(alone, key=lambda each: each.plain)


def _differing(pair: _Pair, fit: Fit) -> Finding:
    """A caution; a note where factors of inputs explain it, which layers before this one may have been given."""
    if pair.real.size >= _ENOUGH * (pair.real.shape[pair.axis] + pair.real.size // pair.real.shape[pair.axis]):
        with_both = max(decibels(with_gains(each, pair.real, pair.axis), pair.real) for each in pair.values)
        if with_both >= max(pair.least, fit.scaled + _GAINED_DB):
            return _rescaled(pair.layer, with_both)
    return _finding(pair.layer, fit.plain, pair.least)


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


def _pairs(file: QuantizedFile, original: QuantizedFile) -> Iterator[tuple[Layer, NDArray[Any], Layer | None]]:
    """Quantized layers, the float weights that they come from, and their layer: by name, else by order."""
    theirs, mine = original.layers, file.layers
    kinds = [[_matrix(each.kind) for each in side] for side in (theirs, mine)]
    in_order = dict(zip((each.name for each in mine), theirs, strict=True)) if kinds[0] == kinds[1] else {}
    by_weight = {each.float_weight: each for each in theirs if each.float_weight is not None}
    for layer in mine:
        if layer.weight is None or layer.weight.integers is None:
            continue
        other = by_weight.get(layer.weight.name) or in_order.get(layer.name)
        values = original.floats.get(layer.weight.name)
        if values is None and other is not None and other.float_weight is not None:
            values = original.floats.get(other.float_weight)
        if values is not None and values.size == layer.weight.integers.size:
            yield layer, values, other


def _matrix(kind: str) -> str:
    """Gemm becomes MatMul in some quantizers."""
    return "MatMul" if plain_kind(kind) == "Gemm" else plain_kind(kind)


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
