"""Operators that compute each element for itself, and the conversions to integers and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.gradients import Operator, Pulls, attribute, present, unbroadcast
from crossrt.exporters.quantizers.methods.grid import limits_of
from crossrt.exporters.quantizers.methods.layers import Array, number


def _add(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b = present(inputs)
    return a + b, (lambda g: unbroadcast(g, a.shape), lambda g: unbroadcast(g, b.shape))


def _sub(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b = present(inputs)
    return a - b, (lambda g: unbroadcast(g, a.shape), lambda g: unbroadcast(-g, b.shape))


def _mul(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b = present(inputs)
    return a * b, (lambda g: unbroadcast(g * b, a.shape), lambda g: unbroadcast(g * a, b.shape))


def _div(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    a, b = present(inputs)
    result = a / b
    return result, (lambda g: unbroadcast(g / b, a.shape), lambda g: unbroadcast(-g * result / b, b.shape))


def _neg(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    return -x, (lambda g: -g,)


def _sqrt(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    result = np.sqrt(x)
    return result, (lambda g: g / (2 * result),)


def _reciprocal(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    result = np.asarray(1 / x)
    return result, (lambda g: -g * result**2,)


def _erf(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    from scipy.special import erf

    (x,) = present(inputs)
    return erf(x), (lambda g: g * np.float32(2 / math.sqrt(math.pi)) * np.exp(-(x**2)),)


def _sigmoid(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    from scipy.special import expit

    (x,) = present(inputs)
    result = np.asarray(expit(x))
    return result, (lambda g: g * result * (1 - result),)


def _tanh(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    result = np.tanh(x)
    return result, (lambda g: g * (1 - result**2),)


def _softmax(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    axis = number(node, "axis", -1)
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    result = powers / powers.sum(axis=axis, keepdims=True)
    return result, (lambda g: result * (g - (g * result).sum(axis=axis, keepdims=True)),)


def _relu(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    return np.maximum(x, 0), (lambda g: g * (x > 0),)


def _leaky_relu(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = present(inputs)
    slope = np.where(x > 0, 1, attribute(node, "alpha", 0.01)).astype(x.dtype)
    return x * slope, (lambda g: g * slope,)


def _clip(_: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    x, *limits = inputs
    assert x is not None
    low, high = (*limits, None, None)[:2]
    result = np.clip(x, low, high)
    return result, (lambda g: g * (result == x),)


def _quantize(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    """Integers, as floats; gradients pass through rounding as they are, and stop where the range ends.

    Bengio, Leonard and Courville, "Estimating or Propagating Gradients Through Stochastic Neurons" (2013), section 4:
    the straight-through estimator.
    """
    x, scale, zero_point = _conversion(node, inputs)
    low, high = limits_of(inputs[2].dtype if len(inputs) > 2 and inputs[2] is not None else np.dtype(np.uint8))
    codes = np.asarray(x / scale)
    np.rint(codes, out=codes)
    codes += zero_point
    result = np.clip(codes, low, high)
    return result, (lambda g: g / scale * (result == codes),)


def _dequantize(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    codes, scale, zero_point = _conversion(node, inputs)
    return (codes - zero_point if zero_point.any() else codes) * scale, (lambda g: g * scale,)


def _conversion(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Array, Array]:
    """What is converted, scale and zero point, in float32 and in shapes that broadcast."""
    x, scale = inputs[:2]
    zero_point = inputs[2] if len(inputs) > 2 else None
    assert x is not None
    assert scale is not None
    shape = [1] * x.ndim
    if scale.size > 1:
        shape[number(node, "axis", 1)] = -1
    zeros = np.zeros_like(scale) if zero_point is None else zero_point
    values, scale, zeros = (each.astype(np.float32, copy=False) for each in (x, scale, zeros))
    return values, scale.reshape(shape), zeros.reshape(shape)


ELEMENTWISE: Final[Mapping[str, Operator]] = {
    "Add": _add,
    "Clip": _clip,
    "DequantizeLinear": _dequantize,
    "Div": _div,
    "Erf": _erf,
    "LeakyRelu": _leaky_relu,
    "Mul": _mul,
    "Neg": _neg,
    "QuantizeLinear": _quantize,
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Softmax": _softmax,
    "Sqrt": _sqrt,
    "Sub": _sub,
    "Tanh": _tanh,
}
