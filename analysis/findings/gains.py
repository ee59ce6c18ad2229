"""Factors by which the weights of a quantized file may differ from the float ones, channel by channel.

Folding BatchNorm multiplies the weights of each output channel by `gamma / sqrt(variance + epsilon)` (Jacob et al.
2018, equation 14). Equalization multiplies a layer's output channels by factors and the next layer's inputs by their
inverses (Nagel et al. 2019, section 4.1). Any other factor is not a method, but a scale in the wrong place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.analysis.findings.quantized_file import Layer, Operator, QuantizedFile
from crossrt.analysis.onnx_graph import LAYOUT

Doubles = NDArray[np.float64]

_FACTORS: Final = ("BatchNormalization", "Mul", "Div", "MUL", "DIV")
_PASSED: Final = (*LAYOUT, "Add", "ADD", "RESHAPE", "Cast")
_EPSILON: Final = 1e-5
_STEPS: Final = 3
_TURNS: Final = 10
"""Of fitting factors of outputs and of inputs."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a float file multiplies the result of a layer by.

    Attributes:
        gain: A factor for each channel, or None where the file does not say which.
    """

    gain: Doubles | None


def folded_behind(original: QuantizedFile, layer: Layer, channels: int) -> Folded | None:
    """The BatchNorm or factor behind a layer of a float file, or None where there is none."""
    tensors = {layer.tensor}
    for _ in range(_STEPS):
        found = [each for each in original.operators if tensors & set(each.inputs)]
        for each in found:
            if each.kind in _FACTORS and (folded := _folded(original, each, tensors, channels)) is not None:
                return folded
        tensors = {name for each in found if each.kind in _PASSED for name in each.outputs}
    return None


def _folded(original: QuantizedFile, operator: Operator, tensors: set[str], channels: int) -> Folded | None:
    if operator.kind == "BatchNormalization":
        gamma, variance = (original.floats.get(operator.inputs[place]) for place in (1, 4))
        if gamma is None or variance is None:
            return Folded(None)
        return Folded(gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + _epsilon(original, operator)))
    others = [original.floats.get(name) for name in operator.inputs if name not in tensors]
    if len(others) != 1 or others[0] is None or others[0].size not in (1, channels):
        return None
    factor = np.broadcast_to(others[0].astype(np.float64).reshape(-1), (channels,))
    if operator.kind.upper() == "DIV":
        return Folded(1 / factor) if factor.all() else None
    return Folded(factor)


def _epsilon(original: QuantizedFile, operator: Operator) -> float:
    node = None if original.graph is None else original.graph.by_name(operator.name)
    attribute = None if node is None else node.attributes.get("epsilon")
    return _EPSILON if attribute is None else float(attribute.as_float())


def times(values: NDArray[Any], factors: Doubles, axis: int) -> Doubles:
    """Values with a factor for each place along an axis."""
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.asarray(values * factors.reshape(shape))


def best_gain(values: NDArray[Any], real: NDArray[Any], axis: int) -> Doubles:
    """The factor for each channel that brings values nearest to others, least squares; 1 for a channel of zeros."""
    others = tuple(each for each in range(values.ndim) if each != axis)
    values = values.astype(np.float64)
    power = (values**2).sum(axis=others)
    product = (values * real).sum(axis=others)
    return np.where(power > 0, product / np.maximum(power, np.finfo(np.float64).tiny), 1.0)


def with_gains(values: NDArray[Any], real: NDArray[Any], axis: int) -> Doubles:
    """The same, applied, with a factor for each input as well, as equalization across layers leaves; found in turns."""
    inputs = 1 - axis if axis in (0, 1) else 0
    found = times(values, best_gain(values, real, axis), axis)
    for _ in range(_TURNS if values.ndim > 1 else 0):
        for place in (inputs, axis):
            found = times(found, best_gain(found, real, place), place)
    return found


def with_inverse(layer: Layer, values: NDArray[Any], axis: int, gain: Doubles) -> Iterator[Doubles]:
    """Values with a layer's inputs divided by a factor each, in the orders that flattening leaves them in."""
    place = _input_axis(layer, values.ndim, axis)
    size = values.shape[place]
    if not gain.size or size % gain.size or (gain <= 0).any():
        return
    inverse, times_each = 1 / gain, size // gain.size
    yield times(values, np.repeat(inverse, times_each), place)
    if times_each > 1:
        yield times(values, np.tile(inverse, times_each), place)


def _input_axis(layer: Layer, rank: int, axis: int) -> int:
    if layer.is_depthwise:
        return axis
    if rank == 2:
        return 1 - axis
    if layer.kind.isupper():  # TFLite lays out input channels last
        return rank - 1
    return 0 if layer.kind == "ConvTranspose" else 1


def decibels(values: NDArray[Any], real: NDArray[Any]) -> float:
    """Signal to noise of numbers that others stand for."""
    signal, noise = float((values.astype(np.float64) ** 2).sum()), float(((values - real) ** 2).sum())
    return float(10 * np.log10(max(signal, 1e-300) / max(noise, 1e-300)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How near float weights come to quantized ones.

    Attributes:
        plain: As they are, in dB.
        scaled: With the best factor for each output channel, in dB.
        gain: That factor.
        inverse_of: The layer by whose factors inputs are divided, or None.
    """

    plain: float
    scaled: float
    gain: Doubles
    inverse_of: str | None = None


def fits(
    layer: Layer, candidates: Sequence[Doubles], real: Doubles, axis: int, gains: dict[str, Doubles]
) -> Iterator[Fit]:
    """Each way in which float weights can have become these: as they are, then behind an equalized layer."""
    for values in candidates:
        yield _fit(values, real, axis, None)
    for name, gain in gains.items():
        for values in candidates:
            for divided in with_inverse(layer, values, axis, gain):
                yield _fit(divided, real, axis, name)


def _fit(values: Doubles, real: Doubles, axis: int, inverse_of: str | None) -> Fit:
    gain = best_gain(values, real, axis)
    scaled = decibels(times(values, gain, axis), real)
    return Fit(plain=decibels(values, real), scaled=scaled, gain=gain, inverse_of=inverse_of)
