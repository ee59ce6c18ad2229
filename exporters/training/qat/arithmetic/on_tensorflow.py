"""Steps in TensorFlow: the same operations while training on it and in what is exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from crossrt.exporters.training.qat.graph import (
    Concatenation,
    Convolution,
    Dense,
    Final,
    GlobalPool,
    Input,
    Island,
    Leaky,
    Op,
    Pad,
    Pool,
    Reshape,
    Scaling,
    Sum,
)
from crossrt.exporters.training.qat.grid import (
    LEAST_CHANNEL,
    LEVELS,
    NEAR_THE_MIDDLE,
    PER_LEVEL,
    PER_OTHER_LEVEL,
    SMALLEST_SCALE,
    UPWARDS,
    Affine,
    largest_integer,
    reciprocal,
)

_FUNCTIONS = {"softmax": tf.nn.softmax, "sigmoid": tf.nn.sigmoid, "tanh": tf.nn.tanh}


def compute(op: Op, tensors: Sequence[Any], kernel: Any = None, bias: Any = None) -> Any:
    """The result of a step before its activation."""
    first = tensors[0]
    match op:
        case Convolution():
            return tf.nn.bias_add(_convolved(op, first, kernel), bias)
        case Dense():
            return tf.nn.bias_add(tf.matmul(first, kernel), bias)
        case Input():
            return tf.cast(first, tf.float32)
        case Scaling():
            return first * op.factor + op.offset
        case Sum():
            return tensors[0] + tensors[1]
        case Concatenation():
            return tf.concat(tensors, op.axis)
        case Pool():
            pool = tf.nn.max_pool2d if op.kind == "max" else tf.nn.avg_pool2d
            return pool(first, op.size, op.strides, op.padding.upper())
        case GlobalPool():
            reduce = tf.reduce_max if op.kind == "max" else tf.reduce_mean
            return reduce(first, axis=[1, 2], keepdims=op.keeps_axes)
        case Reshape():
            return tf.reshape(first, (-1, *op.shape))
        case Pad():
            return tf.pad(first, [(0, 0), op.height, op.width, (0, 0)])
        case Leaky():
            return tf.nn.leaky_relu(first, op.slope)
        case Island():
            return op.layer(first if len(tensors) == 1 else list(tensors))
        case Final():
            return _FUNCTIONS[op.kind](first)
        case _:
            return first


def _convolved(op: Convolution, tensor: Any, kernel: Any) -> Any:
    padding = op.padding.upper()
    if op.is_depthwise:
        return tf.nn.depthwise_conv2d(tensor, kernel, [1, *op.strides, 1], padding, dilations=op.dilation)
    return tf.nn.conv2d(tensor, kernel, op.strides, padding, dilations=op.dilation)


def rectified(tensor: Any, relu: float | None) -> Any:
    """A ReLU with its upper end, or the tensor as it is."""
    if relu is None:
        return tensor
    rectified = tf.nn.relu(tensor)
    return rectified if np.isinf(relu) else tf.minimum(rectified, relu)


def coarse(scale: Any) -> Any:
    """`grid.coarse` in TensorFlow."""
    bits = tf.bitcast(tf.maximum(scale, SMALLEST_SCALE), tf.int32)
    return tf.bitcast(tf.bitwise.bitwise_and(bits + int(UPWARDS), -256), tf.float32)


def affine_tensors(low: Any, high: Any) -> tuple[Any, Any]:
    """Scale, and the place of zero above the lowest integer, of a range (see `grid.affine_of_range`)."""
    low, high = tf.minimum(low, 0.0), tf.maximum(high, 0.0)
    scale = coarse((high - low) * PER_LEVEL)
    place = -low / scale
    is_middle = tf.abs(place - tf.floor(place) - 0.5) < NEAR_THE_MIDDLE
    scale = tf.where(is_middle, coarse((high - low) * PER_OTHER_LEVEL), scale)
    return scale, tf.clip_by_value(tf.round(-low / scale), 0.0, float(LEVELS))


def quantized_activation(tensor: Any, low: Any, high: Any) -> Any:
    """A tensor on the grid of a range; gradients pass inside the range."""
    scale, zero_place = affine_tensors(low, high)
    ends = tf.stop_gradient(-zero_place * scale), tf.stop_gradient((LEVELS - zero_place) * scale)
    return tf.quantization.fake_quant_with_min_max_vars(tensor, *ends, num_bits=8)


def fixed_activation(tensor: Any, affine: Affine) -> Any:
    """A tensor on a grid that is known beforehand; gradients pass inside its range."""
    return tf.quantization.fake_quant_with_min_max_args(tensor, affine.low, affine.high, num_bits=8)


def learned_activation(tensor: Any, low: Any, high: Any) -> Any:
    """A tensor on the grid of a range whose ends have gradients: those of its step size, by LSQ.

    Inside the range the gradient of the step is the rounding error, outside it is the integer at the end (Esser et al.
    2020, equation 3), both divided by the square root of the values of a sample times the levels (section 2.2).
    """
    exact, zero_place = affine_tensors(low, high)
    zero_place, raw = tf.stop_gradient(zero_place), (high - low) * PER_LEVEL
    weight = tf.math.rsqrt(float(np.prod(tensor.shape[1:])) * LEVELS)
    step = raw * weight + tf.stop_gradient(exact - raw * weight)
    places = tf.clip_by_value(tensor / step, -zero_place, LEVELS - zero_place)
    return (places + tf.stop_gradient(tf.round(places) - places)) * step


def rounded_activation(tensor: Any, unit: Any, scale: Any, zero_place: Any) -> Any:
    """A tensor on a grid, rounded to the last bit as runtimes do it, without gradients.

    Args:
        tensor: Accumulators, or real numbers where `unit` is None.
        unit: What an accumulator counts, `(channels,)`. Its quotient with the scale is the float32 multiplier of ONNX
            Runtime's and XNNPACK's kernels, after which they round half to even.
        scale: Of the grid.
        zero_place: How far zero lies above the lowest integer.
    """
    factor = (1.0 if unit is None else unit) / scale
    return tf.clip_by_value(tf.round(tensor * factor), -zero_place, LEVELS - zero_place) * scale


def kernel_scales(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """The scale of each output channel, from its own values."""
    flat = _flat(kernel, is_depthwise=is_depthwise)
    scales = tf.reduce_max(tf.abs(flat), axis=list(range(len(flat.shape) - 1))) * reciprocal(largest_integer(bits))
    return tf.stop_gradient(coarse(tf.maximum(scales, tf.reduce_max(scales) * LEAST_CHANNEL)))


def quantized_kernel(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """A kernel on the grids of its output channels, which follow from its own values; gradients pass."""
    scales = kernel_scales(kernel, bits, is_depthwise=is_depthwise)
    return tf.reshape(on_weight_grid(_flat(kernel, is_depthwise=is_depthwise), scales, bits), kernel.shape)


def integer_kernel(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """The integers of a kernel, as floats.

    They are read off its grid: arithmetic that rounds a second time would be rearranged by the optimizer of graphs and
    find other integers for weights that training has left next to the middle between two.
    """
    flat = _flat(kernel, is_depthwise=is_depthwise)
    scales = kernel_scales(kernel, bits, is_depthwise=is_depthwise)
    return tf.reshape(tf.round(on_weight_grid(flat, scales, bits) / scales), kernel.shape)


def integer_bias(bias: Any, unit: Any) -> Any:
    """A bias in units of accumulators, as floats."""
    return tf.cast(tf.round(tf.cast(bias, tf.float64) / tf.cast(unit, tf.float64)), tf.float32)


def on_weight_grid(flat: Any, scales: Any, bits: int) -> Any:
    """A kernel with its output channels last, on given grids."""
    most = largest_integer(bits)
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        flat, -most * scales, most * scales, num_bits=bits, narrow_range=True
    )


def _flat(kernel: Any, *, is_depthwise: bool) -> Any:
    """A kernel with its output channels last."""
    if not is_depthwise:
        return kernel
    height, width, channels, multiplier = kernel.shape
    return tf.reshape(kernel, (height, width, channels * multiplier))
