"""Can a tensor hold what its layer gives, and does it hold much more? Input, weights and bias bound that.

A sum of products is at most `sum|w| max|x| + |b|`; where the input uses its range, it is about `norm(w) max|x|` or a
few times less, as the terms of a sum of random signs add up to the square root of the sum of their squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.audit.affine import TYPES
from crossrt.analysis.audit.record import Finding, Stored
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile
from crossrt.analysis.findings.weight_sums import weight_sums

_MOST: Final = 16.0
"""Times the bound: no value comes near the ends of such a range."""
_LEAST: Final = 1 / 500
"""Of what a layer gives where its input uses its range; in sound files the least is about 1/10."""
_CLIPPED: Final = ("RELU6", "RELU_N1_TO_1")


@check("ranges of layers", place=44)
def ranges_of_layers(file: QuantizedFile) -> Outcome:
    """The range of each layer's output beside what its input and its weights make."""
    layers = [each for each in file.layers if each.source is not None and each.output is not None and _is_known(each)]
    if not layers:
        return not_applicable("no layer has integer weights between quantized tensors")
    sizes = [_sizes(each) for each in layers]
    large = [each for layer, (sums, _) in zip(layers, sizes, strict=True) for each in _too_large(layer, sums)]
    named_large = {each.where for each in large}
    clips = {each.inputs[0] for each in file.operators if each.kind == "Clip" and each.inputs}
    small = [
        each
        for layer, (_, norms) in zip(layers, sizes, strict=True)
        if layer.source is not None and layer.source.name not in named_large and not _is_clipped(layer, clips)
        for each in _too_small(layer, norms)
    ]
    if not large and not small:
        return Outcome("each output holds what its input and weights can give")
    found = [*large, *small]
    return Outcome(f"{len(found)} are far from what input and weights give: {named([e.where for e in found])}", found)


def _is_known(layer: Layer) -> bool:
    weight, tensors = layer.weight, (layer.source, layer.weight, layer.output)
    if weight is None or weight.block_size is not None or layer.rows() is None:
        return False
    return all(each is not None and np.isfinite(each.affine.scale).all() for each in tensors)


def _is_clipped(layer: Layer, clips: set[str]) -> bool:
    return layer.activation in _CLIPPED or layer.tensor in clips


def _sizes(layer: Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the magnitudes of each channel's weights, as they are multiplied, and their norm."""
    assert layer.weight is not None
    sums = weight_sums(layer)
    scale = np.abs(layer.weight.affine.scale.astype(np.float64).reshape(-1))
    scale = scale if scale.size == len(sums.positive) else scale[:1]
    return (sums.positive - sums.negative) * scale, np.sqrt(sums.squares) * scale


def _reach(stored: Stored) -> float:
    """How far from 0 values of an activation can lie."""
    low, high = TYPES[stored.dtype]
    zero_point = float(stored.affine.zero_point.reshape(-1)[0])
    return max(high - zero_point, zero_point - low) * abs(float(stored.affine.scale.reshape(-1)[0]))


def _bias(layer: Layer) -> Any:
    bias = layer.bias
    if bias is None or bias.integers is None:
        return 0.0
    return np.abs(bias.integers.astype(np.float64) * bias.affine.scale).reshape(-1)


def _too_large(layer: Layer, magnitudes: NDArray[np.float64]) -> Iterator[Finding]:
    assert layer.source is not None
    assert layer.output is not None
    reach = _reach(layer.output)
    bound = float(magnitudes.max() * _reach(layer.source) + np.max(_bias(layer)))
    is_placeholder = bool((layer.output.affine.scale == 1).all())  # of a tensor of zeros: see constant scales
    if bound > 0 and reach > _MOST * bound and not is_placeholder:
        yield Finding(
            severity="caution",
            where=layer.output.name,
            found=f"its scale lets it hold values up to {reach:.3g}",
            expected=f"at most {bound:.3g}, the largest sum of {layer.kind} {layer.name} by its input and weights",
            to_do="calibrate again: such a range leaves most integers unused",
        )


def _too_small(layer: Layer, norms: NDArray[np.float64]) -> Iterator[Finding]:
    assert layer.source is not None
    assert layer.output is not None
    reach = _reach(layer.output)
    usual = float(norms.max() * _reach(layer.source))
    if np.isfinite(usual) and reach < _LEAST * usual:
        yield Finding(
            severity="caution",
            where=f"{layer.kind} {layer.name}",
            found=f"{layer.output.name} holds values up to {reach:.3g}, and the layer gives about {usual:.3g} where"
            f" {layer.source.name} uses its range, up to {_reach(layer.source):.3g}",
            expected="ranges of the same order",
            to_do="calibrate again: the scale of input or weights is far too large, or that of the output too small",
        )
