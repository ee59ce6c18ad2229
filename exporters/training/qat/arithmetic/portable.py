"""Steps in `keras.ops`, for JAX and PyTorch: number for number what TensorFlow computes, and what the files hold.

A compiler may contract a product and a sum into one operation that rounds once (XLA does it on a CPU), which moves a
value over the middle between two integers. Here no product whose rounding matters is an operand of a sum: either it is
exact, as scales have 16 significant bits, or a minimum stands between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from keras import ops

from crossrt.exporters.training.qat.arithmetic.bits import nearest_integers, upwards
from crossrt.exporters.training.qat.arithmetic.windows import means
from crossrt.exporters.training.qat.graph import (
    Concatenation,
    Convolution,
    Dense,
    FinalKind,
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
from crossrt.exporters.training.qat.graph import (
    Final as FinalOp,
)
from crossrt.exporters.training.qat.grid import (
    LEAST_CHANNEL,
    LEVELS,
    NEAR_THE_MIDDLE,
    PER_LEVEL,
    PER_OTHER_LEVEL,
    Affine,
    largest_integer,
    reciprocal,
)

_FUNCTIONS: Final[Mapping[FinalKind, Callable[[Any], Any]]] = {
    "softmax": ops.softmax,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
}
_LAST: Final = "channels_last"
_HALF: Final = np.float32(0.5)


def compute(op: Op, tensors: Sequence[Any], kernel: Any = None, bias: Any = None) -> Any:
    """The result of a step before its activation."""
    first = tensors[0]
    match op:
        case Convolution():
            return _convolved(op, first, kernel) + bias
        case Dense():
            return ops.matmul(first, kernel) + bias
        case Input():
            return ops.cast(first, "float32")
        case Scaling():
            return first * ops.convert_to_tensor(op.factor) + ops.convert_to_tensor(op.offset)
        case Sum():
            return tensors[0] + tensors[1]
        case Concatenation():
            return ops.concatenate(tensors, op.axis)
        case Pool():
            return ops.max_pool(first, op.size, op.strides, op.padding, _LAST) if op.kind == "max" else means(op, first)
        case GlobalPool():
            reduce = ops.max if op.kind == "max" else ops.mean
            return reduce(first, axis=(1, 2), keepdims=op.keeps_axes)
        case Reshape():
            return ops.reshape(first, (-1, *op.shape))
        case Pad():
            return ops.pad(first, ((0, 0), op.height, op.width, (0, 0)))
        case Leaky():
            return ops.leaky_relu(first, op.slope)
        case Island():
            return op.layer(first if len(tensors) == 1 else list(tensors))
        case FinalOp():
            return _FUNCTIONS[op.kind](first)
        case _:
            return first


def _convolved(op: Convolution, tensor: Any, kernel: Any) -> Any:
    convolve = ops.depthwise_conv if op.is_depthwise else ops.conv
    return convolve(tensor, kernel, op.strides, op.padding, _LAST, op.dilation)


def rectified(tensor: Any, relu: float | None) -> Any:
    """A ReLU with its upper end, or the tensor as it is."""
    if relu is None:
        return tensor
    rectified = ops.relu(tensor)
    return rectified if np.isinf(relu) else ops.minimum(rectified, relu)


def affine_tensors(low: Any, high: Any) -> tuple[Any, Any]:
    """Scale, and the place of zero above the lowest integer, of a range (see `grid.affine_of_range`)."""
    low, high = ops.stop_gradient(ops.minimum(low, 0.0)), ops.stop_gradient(ops.maximum(high, 0.0))
    scale = upwards((high - low) * PER_LEVEL)
    place = -low / scale
    is_middle = ops.abs(place - ops.floor(place) - _HALF) < NEAR_THE_MIDDLE
    scale = ops.where(is_middle, upwards((high - low) * PER_OTHER_LEVEL), scale)
    return scale, ops.clip(ops.round(-low / scale), 0.0, float(LEVELS))


def quantized_activation(tensor: Any, low: Any, high: Any) -> Any:
    """A tensor on the grid of a range; gradients pass inside the range."""
    return _on_activation_grid(tensor, *affine_tensors(low, high))


def fixed_activation(tensor: Any, affine: Affine) -> Any:
    """A tensor on a grid that is known beforehand; gradients pass inside its range."""
    scale = np.float32(affine.scale)
    return _on_activation_grid(tensor, scale, np.float32(-affine.low) / scale)


def _on_activation_grid(tensor: Any, scale: Any, zero_place: Any) -> Any:
    """Rounds upwards from the middle, after a division, like the kernel of TensorFlow's `FakeQuantWithMinMaxVars`."""
    low, high = -zero_place * scale, (LEVELS - zero_place) * scale
    seen = ops.stop_gradient(tensor)
    shifted = (ops.minimum(ops.maximum(seen, low), high) - low) / scale
    rounded = ops.floor(shifted - zero_place + _HALF) * scale
    return _passing(tensor, rounded, (seen >= low) & (seen <= high))


def learned_activation(tensor: Any, low: Any, high: Any) -> Any:
    """A tensor on the grid of a range whose ends have gradients: those of its step size, by LSQ.

    Inside the range the gradient of the step is the rounding error, outside it is the integer at the end (Esser et al.
    2020, equation 3), both divided by the square root of the values of a sample times the levels (section 2.2).
    """
    exact, zero_place = affine_tensors(low, high)
    weight = np.float32(1 / np.sqrt(float(np.prod(tensor.shape[1:])) * LEVELS))
    raw = ops.minimum((high - low) * (PER_LEVEL * weight), np.finfo(np.float32).max)
    step = exact + (raw - ops.stop_gradient(raw))
    places = ops.clip(tensor / step, -zero_place, LEVELS - zero_place)
    return (places + ops.stop_gradient(ops.round(places) - places)) * step


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
    return ops.clip(ops.round(tensor * factor), -zero_place, LEVELS - zero_place) * scale


def kernel_scales(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """The scale of each output channel, from its own values."""
    flat = ops.stop_gradient(_flat(kernel, is_depthwise=is_depthwise))
    scales = ops.max(ops.abs(flat), axis=tuple(range(len(flat.shape) - 1))) * reciprocal(largest_integer(bits))
    return upwards(ops.maximum(scales, ops.max(scales) * LEAST_CHANNEL))


def quantized_kernel(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """A kernel on the grids of its output channels, which follow from its own values; gradients pass."""
    scales = kernel_scales(kernel, bits, is_depthwise=is_depthwise)
    flat, most = _flat(kernel, is_depthwise=is_depthwise), largest_integer(bits)
    seen = ops.stop_gradient(flat)
    rounded = _integers(seen, scales, most) * scales
    return ops.reshape(_passing(flat, rounded, ops.abs(seen) <= most * scales), kernel.shape)


def integer_kernel(kernel: Any, bits: int, *, is_depthwise: bool) -> Any:
    """The integers of a kernel, as floats, rounded like `quantized_kernel`."""
    scales = kernel_scales(kernel, bits, is_depthwise=is_depthwise)
    integers = _integers(_flat(kernel, is_depthwise=is_depthwise), scales, largest_integer(bits))
    return ops.reshape(integers, kernel.shape)


def _integers(flat: Any, scales: Any, most: int) -> Any:
    """Rounds upwards from the middle, after a product with the reciprocal, like TensorFlow's kernel for channels."""
    shifted = (flat + np.float32(most) * scales) * (1.0 / scales)
    shifted = ops.minimum(ops.maximum(shifted, 0.0), np.float32(2 * most))
    return ops.floor(shifted - np.float32(most) + _HALF)


def integer_bias(bias: Any, unit: Any) -> Any:
    """A bias in units of accumulators, as floats."""
    return nearest_integers(bias, unit)


def _passing(tensor: Any, value: Any, is_inside: Any) -> Any:
    """A value that was computed from a tensor, with the gradient of the tensor itself where that is inside."""
    inside = ops.where(is_inside, tensor, 0.0)
    return ops.stop_gradient(value) + (inside - ops.stop_gradient(inside))


def _flat(kernel: Any, *, is_depthwise: bool) -> Any:
    """A kernel with its output channels last."""
    if not is_depthwise:
        return kernel
    height, width, channels, multiplier = kernel.shape
    return ops.reshape(kernel, (height, width, channels * multiplier))
