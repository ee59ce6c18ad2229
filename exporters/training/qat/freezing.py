"""Settling every number of a trained model."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from crossrt.exporters.errors import ExportError
from crossrt.exporters.training.qat.frozen import Frozen, FrozenStep, FrozenWeights
from crossrt.exporters.training.qat.graph import Convolution, Dense, Dropout, Floats, Network
from crossrt.exporters.training.qat.grid import Affine, channel_scales, largest_integer
from crossrt.exporters.training.qat.model import Trainable
from crossrt.exporters.training.qat.scales.settling import settle

_LARGEST_BIAS: Final = 2**31 - 1


def freeze(trainable: Trainable) -> Frozen:
    """Settles every number; ranges are moved first (see `settling`).

    Raises:
        ExportError: A range never moved, or a bias does not fit into 32 bits.
    """
    trainable.check_ranges()
    settle(trainable)
    network = trainable.network
    renamed = _without_dropout(network)
    found: dict[str, FrozenStep] = {}
    for step in network.steps:
        if isinstance(step.op, Dropout):
            continue
        rewired = dataclasses.replace(step, inputs=tuple(renamed[name] for name in step.inputs))
        weights = None
        if isinstance(step.op, Convolution | Dense):
            source = found[rewired.inputs[0]].affine
            if source is None:
                raise ExportError(f"{step.name} takes a float tensor: nothing quantizes it")
            weights = _weights(trainable, step.name, step.op, source)
        found[step.name] = FrozenStep(step=rewired, affine=trainable.affine(step.name), weights=weights)
    return Frozen(steps=found, outputs=tuple(renamed[each] for each in network.outputs), bits=trainable.bits)


def _without_dropout(network: Network) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for step in network.steps:
        renamed[step.name] = renamed[step.inputs[0]] if isinstance(step.op, Dropout) else step.name
    return renamed


def _weights(trainable: Trainable, name: str, op: Convolution | Dense, source: Affine) -> FrozenWeights:
    layer, bits = trainable.calculations[name], trainable.bits
    kernel = _channels_last(np.asarray(layer.kernel.numpy(), np.float32), op)
    scales = channel_scales(np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0), bits)
    most = largest_integer(bits)
    # as the kernel of TensorFlow rounds: upwards from the middle, after a product with the reciprocal, zero at zero
    shifted = (kernel + most * scales) * (np.float32(1) / scales)
    integers = np.clip(np.floor((shifted - most) + np.float32(0.5)), -most, most).astype(np.int8)
    bias = np.asarray(layer.bias.numpy(), np.float64) / (np.float32(source.scale) * scales).astype(np.float64)
    if (np.abs(bias) > _LARGEST_BIAS).any():
        raise ExportError(f"a bias of {name} does not fit into 32 bits: its weights are too small beside it")
    return FrozenWeights(integers=integers, scales=scales, bias=np.rint(bias).astype(np.int32))


def _channels_last(kernel: Floats, op: Any) -> Floats:
    if isinstance(op, Convolution) and op.is_depthwise:
        height, width, channels, multiplier = kernel.shape
        return kernel.reshape(height, width, channels * multiplier)
    return kernel
