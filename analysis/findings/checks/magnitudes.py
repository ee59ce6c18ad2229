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
    large = [each for layer in layers for each in _too_large(layer)]
    named_large = {each.where for each in large}
    clips = {each.inputs[0] for each in file.operators if each.kind == "Clip" and each.inputs}
    rest = [each for each in layers if each.source is not None and each.source.name not in named_large]
    small = [each for layer in rest if not _is_clipped(layer, clips) for each in _too_small(layer)]
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


def _real_rows(layer: Layer) -> NDArray[np.float64]:
    """Weights as they are multiplied, a row for each channel."""
    rows, weight = layer.rows(), layer.weight
    assert rows is not None
    assert weight is not None
    scale, zero_point = (
        each.astype(np.float64).reshape(-1) for each in (weight.affine.scale, weight.affine.zero_point)
    )
    scale, zero_point = (each[:, None] if each.size == len(rows) else each[0] for each in (scale, zero_point))
    return np.asarray((rows - zero_point) * scale)


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


def _bound(layer: Layer) -> float:
    assert layer.source is not None
    sums = np.abs(_real_rows(layer)).sum(axis=1) * _reach(layer.source)
    return float(sums.max() + np.max(_bias(layer)))


def _too_large(layer: Layer) -> Iterator[Finding]:
    assert layer.output is not None
    reach, bound = _reach(layer.output), _bound(layer)
    is_placeholder = bool((layer.output.affine.scale == 1).all())  # of a tensor of zeros: see constant scales
    if bound > 0 and reach > _MOST * bound and not is_placeholder:
        yield Finding(
            severity="caution",
            where=layer.output.name,
            found=f"its scale lets it hold values up to {reach:.3g}",
            expected=f"at most {bound:.3g}, the largest sum of {layer.kind} {layer.name} by its input and weights",
            to_do="calibrate again: such a range leaves most integers unused",
        )


def _too_small(layer: Layer) -> Iterator[Finding]:
    assert layer.source is not None
    assert layer.output is not None
    reach = _reach(layer.output)
    norms = np.sqrt((_real_rows(layer) ** 2).sum(axis=1))
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
