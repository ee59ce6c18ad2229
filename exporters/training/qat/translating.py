"""Single Keras layers as steps, and BatchNorm as a factor and an offset."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np

from crossrt.exporters.errors import ModelError
from crossrt.exporters.training.qat.graph import (
    Concatenation,
    Convolution,
    Dense,
    Floats,
    GlobalPool,
    Island,
    Op,
    Pad,
    Pool,
    RangeKind,
    Reshape,
    Scaling,
    Sum,
    Weighted,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A step of a layer.

    Attributes:
        op: What is computed.
        suffix: What is added to the layer's name.
        shape: Shape of the result without the batch, or None for that of the layer.
        range: How the result is quantized.
    """

    op: Op
    suffix: str = ""
    shape: tuple[int, ...] | None = None
    range: RangeKind = "own"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A layer with the tensors that it takes and the one that it gives."""

    layer: Any
    inputs: Sequence[Any]
    output: Any


def translate(kind: str, layer: Any, inputs: Any, output: Any) -> list[Part] | None:
    """The steps of a layer, or None where it is not supported.

    Raises:
        ModelError: It is of a supported kind, with an option that is not.
    """
    if getattr(layer, "data_format", None) == "channels_first":
        raise ModelError(f"the layer {layer.name} has data_format channels_first: channels_last is expected")
    make = _MAKERS.get(kind)
    return None if make is None else make(Call(layer=layer, inputs=inputs, output=output))


def island(layer: Any, inputs: Any, output: Any) -> list[Part] | None:
    """A layer that stays in float, or None where that cannot be done by itself."""
    if not isinstance(layer, keras.layers.Layer) or isinstance(layer, _NO_ISLANDS):
        return None
    try:
        copy = type(layer).from_config(layer.get_config())
        tensors = [keras.Input(each.shape[1:], dtype=each.dtype) for each in inputs]
        if copy(tensors[0] if len(tensors) == 1 else tensors).shape != output.shape:
            return None
        copy.set_weights(layer.get_weights())
    except (TypeError, ValueError):  # it takes its inputs in another way
        return None
    return [Part(op=Island(layer=copy))]


def folded(op: Weighted, norm: Any) -> Weighted:
    """Weights that also do what a BatchNorm behind them does."""
    factor, offset = _normalization(norm)
    bias = op.bias * factor + offset
    if isinstance(op, Convolution) and op.is_depthwise:
        kernel = op.kernel * factor.reshape(op.kernel.shape[2:])
    else:
        kernel = op.kernel * factor
    return dataclasses.replace(op, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))


def _normalization(norm: Any) -> tuple[Floats, Floats]:
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * np.asarray(norm.gamma)
    offset = -mean * factor
    if norm.center:
        offset = offset + np.asarray(norm.beta)
    return factor.astype(np.float32), offset.astype(np.float32)


def _batch_norm(call: Call) -> list[Part]:
    if call.layer.axis not in (-1, len(call.inputs[0].shape) - 1):
        raise ModelError(f"the layer {call.layer.name} normalizes axis {call.layer.axis}: the last one is expected")
    factor, offset = _normalization(call.layer)
    return [Part(op=Scaling(factor=factor, offset=offset))]


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)


def _bias(layer: Any, channels: int) -> Floats:
    return np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(channels, np.float32)


def _convolution(call: Call) -> list[Part]:
    kernel = np.asarray(call.layer.kernel, np.float32)
    return [Part(op=_conv_op(call.layer, kernel, _bias(call.layer, kernel.shape[-1]), is_depthwise=False))]


def _depthwise(call: Call) -> list[Part]:
    kernel = np.asarray(call.layer.kernel, np.float32)
    _check_depthwise(call.layer)
    return [
        Part(op=_conv_op(call.layer, kernel, _bias(call.layer, kernel.shape[2] * kernel.shape[3]), is_depthwise=True))
    ]


def _separable(call: Call) -> list[Part]:
    _check_depthwise(call.layer)
    depthwise = np.asarray(call.layer.depthwise_kernel, np.float32)
    pointwise = np.asarray(call.layer.pointwise_kernel, np.float32)
    channels = depthwise.shape[2] * depthwise.shape[3]
    first = _conv_op(call.layer, depthwise, np.zeros(channels, np.float32), is_depthwise=True)
    second = Convolution(
        kernel=pointwise,
        bias=_bias(call.layer, pointwise.shape[-1]),
        strides=(1, 1),
        padding="valid",
        dilation=(1, 1),
        is_depthwise=False,
    )
    shape = (*tuple(call.output.shape[1:3]), channels)
    return [Part(op=first, suffix="_depthwise", shape=shape), Part(op=second)]


def _check_depthwise(layer: Any) -> None:
    strides = _pair(layer.strides)
    if strides[0] != strides[1]:
        raise ModelError(f"the layer {layer.name} has strides {strides}: TensorFlow takes equal ones for depthwise")


def _conv_op(layer: Any, kernel: Floats, bias: Floats, *, is_depthwise: bool) -> Convolution:
    if layer.padding not in ("valid", "same"):
        raise ModelError(f"the layer {layer.name} has padding {layer.padding}: valid or same is expected")
    return Convolution(
        kernel=kernel,
        bias=bias,
        strides=_pair(layer.strides),
        padding=layer.padding,
        dilation=_pair(layer.dilation_rate),
        is_depthwise=is_depthwise,
    )


def _dense(call: Call) -> list[Part] | None:
    if len(call.inputs[0].shape) != 2:
        return None
    kernel = np.asarray(call.layer.kernel, np.float32)
    return [Part(op=Dense(kernel=kernel, bias=_bias(call.layer, kernel.shape[-1])))]


def _sum(call: Call) -> list[Part] | None:
    are_tensors = len(call.inputs) > 1 and all(each.shape == call.inputs[0].shape for each in call.inputs)
    return [Part(op=Sum())] if are_tensors else None


def _concatenation(call: Call) -> list[Part]:
    axis = call.layer.axis if call.layer.axis >= 0 else call.layer.axis + len(call.output.shape)
    return [Part(op=Concatenation(axis=axis), range="same")]


def _max_pool(call: Call) -> list[Part]:
    return [Part(op=_pool(call.layer, "max"), range="same")]


def _average_pool(call: Call) -> list[Part]:
    op = _pool(call.layer, "average")
    mean = _mean(op, tuple(call.inputs[0].shape[1:]), tuple(call.output.shape[1:3]))
    return [Part(op=op, range="same")] if mean is None else [Part(op=mean)]


def _mean(op: Pool, shape: tuple[int, ...], places: tuple[int, ...]) -> Convolution | None:
    """The mean of windows as a convolution with equal weights, where runtimes would round the mean in different ways.

    Means of an even number of integers often lie in the middle between two; a convolution is rounded alike by all. None
    where the number is odd, where windows at the edge hold fewer values, or where a convolution cannot be had.
    """
    height, width = op.size
    if (height * width) % 2 or height * width > _MOST_IN_A_MEAN or None in shape:
        return None
    steps = {stride for stride, count in zip(op.strides, places, strict=True) if count > 1} or {1}
    if len(steps) > 1 or (op.padding == "same" and not _fits(op, shape)):  # TensorFlow takes equal strides
        return None
    stride = steps.pop()
    return Convolution(
        kernel=np.full((height, width, shape[-1], 1), 1 / (height * width), np.float32),
        bias=np.zeros(shape[-1], np.float32),
        strides=(stride, stride),
        padding="valid",
        dilation=(1, 1),
        is_depthwise=True,
        is_constant=True,
    )


def _fits(op: Pool, shape: tuple[int, ...]) -> bool:
    """Whether nothing is padded."""
    ends = zip(shape[:2], op.size, op.strides, strict=True)
    return all((-(-length // stride) - 1) * stride + size <= length for length, size, stride in ends)


def _pool(layer: Any, kind: Any) -> Pool:
    return Pool(
        kind=kind, size=_pair(layer.pool_size), strides=_pair(layer.strides or layer.pool_size), padding=layer.padding
    )


def _global_average(call: Call) -> list[Part]:
    return [Part(op=GlobalPool(kind="average", keeps_axes=bool(call.layer.keepdims)))]


def _global_max(call: Call) -> list[Part]:
    return [Part(op=GlobalPool(kind="max", keeps_axes=bool(call.layer.keepdims)), range="same")]


def _reshape(call: Call) -> list[Part] | None:
    shape = tuple(call.output.shape[1:])
    return None if None in shape else [Part(op=Reshape(shape=shape), range="same")]


def _zero_padding(call: Call) -> list[Part]:
    (top, bottom), (left, right) = call.layer.padding
    return [Part(op=Pad(height=(top, bottom), width=(left, right)), range="same")]


def _rescaling(call: Call) -> list[Part]:
    factor, offset = (_for_channels(each, int(call.output.shape[-1])) for each in (call.layer.scale, call.layer.offset))
    return [Part(op=Scaling(factor=factor, offset=offset))]


def _input_normalization(call: Call) -> list[Part] | None:
    mean, variance = (
        np.asarray(call.layer.mean, np.float32).ravel(),
        np.asarray(call.layer.variance, np.float32).ravel(),
    )
    channels = int(call.output.shape[-1])
    if call.layer.invert or mean.size not in (1, channels):
        return None
    factor = 1 / np.maximum(np.sqrt(variance), np.float32(1e-7))
    return [Part(op=Scaling(factor=_for_channels(factor, channels), offset=_for_channels(-mean * factor, channels)))]


def _for_channels(values: Any, channels: int) -> Floats:
    return np.array(np.broadcast_to(np.asarray(values, np.float32), (channels,)))


_MOST_IN_A_MEAN: Final = 512
"""So many products of 8-bit integers have an exact sum in float32."""
_NO_ISLANDS: Final = (keras.layers.Lambda, keras.layers.RNN, keras.layers.Wrapper, keras.Model)
"""Their code or loops cannot be written to both files."""
_MAKERS: Final[dict[str, Callable[[Call], list[Part] | None]]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "Add": _sum,
    "Concatenate": _concatenation,
    "MaxPooling2D": _max_pool,
    "AveragePooling2D": _average_pool,
    "GlobalAveragePooling2D": _global_average,
    "GlobalMaxPooling2D": _global_max,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "ZeroPadding2D": _zero_padding,
    "Rescaling": _rescaling,
    "Normalization": _input_normalization,
}
