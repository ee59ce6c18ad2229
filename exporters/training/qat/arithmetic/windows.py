"""Means of windows as TensorFlow computes them: what is padded does not count, on either side."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from crossrt.exporters.training.qat.graph import Floats, Pair, Pool

_LAST = "channels_last"


def means(op: Pool, tensor: Any) -> Any:
    """The mean of each window; Keras on PyTorch would count the values at the edge again where it pads one side."""
    if op.padding == "valid":
        return ops.average_pool(tensor, op.size, op.strides, "valid", _LAST)
    height, width = (_padding(*each) for each in zip(tensor.shape[1:3], op.size, op.strides, strict=True))
    padded = ops.pad(tensor, ((0, 0), height, width, (0, 0)))
    counts = np.outer(_counts(tensor.shape[1], height, 0, op), _counts(tensor.shape[2], width, 1, op))
    share = (np.float32(np.prod(op.size)) / counts.astype(np.float32))[None, :, :, None]
    return ops.average_pool(padded, op.size, op.strides, "valid", _LAST) * ops.convert_to_tensor(share)


def _padding(length: int, size: int, stride: int) -> Pair:
    most = max((-(-length // stride) - 1) * stride + size - length, 0)
    return most // 2, most - most // 2


def _counts(length: int, padding: Pair, axis: int, op: Pool) -> Floats:
    """How many values each window holds along an axis."""
    real = np.pad(np.ones(length, np.float32), padding)
    windows = np.lib.stride_tricks.sliding_window_view(real, op.size[axis])[:: op.strides[axis]]
    found: Floats = windows.sum(axis=1)
    return found
