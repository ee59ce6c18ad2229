"""Checking feeds and crossing the border between float32 and a model's own integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import TensorSpec
from crossrt.runtimes.errors import InputRefusedError
from crossrt.runtimes.protocol import Feeds, IoMode


def at_batch_size(specs: Sequence[TensorSpec], batch_size: int, io: IoMode) -> tuple[TensorSpec, ...]:
    """The specs that a session shows: batch size filled in, and float32 unless the I/O is native."""
    return tuple(_shown(replace(spec, shape=(batch_size, *spec.shape[1:])), io) for spec in specs)


def _shown(spec: TensorSpec, io: IoMode) -> TensorSpec:
    if io == "native" or spec.scale is None:
        return spec
    return replace(spec, dtype="float32", scale=None, zero_point=None)


def refusal(feeds: Feeds, specs: Sequence[TensorSpec]) -> InputRefusedError | None:
    """Says what is wrong with feeds, or None where they fit."""
    if not isinstance(feeds, Mapping):
        return InputRefusedError(f"feeds are a mapping from input names to arrays; found {type(feeds).__name__}")
    wanted = {spec.name: spec for spec in specs}
    if feeds.keys() != wanted.keys():
        return InputRefusedError(f"the inputs are named {_names(wanted)}; the feeds are named {_names(feeds)}")
    for name, spec in wanted.items():
        feed = feeds[name]
        if not isinstance(feed, np.ndarray):
            return InputRefusedError(f"input {name} must be a numpy array; found {type(feed).__name__}")
        if feed.dtype != spec.dtype or feed.shape != spec.shape:
            return InputRefusedError(f"input {name} takes {spec.dtype} {spec.shape}; found {feed.dtype} {feed.shape}")
    return None


def _names(keyed: Any) -> str:
    return ", ".join(sorted(map(str, keyed))) or "nothing"


class Quantizer:
    """Turns float32 into a tensor's own integers, in buffers that are made once.

    `q = round(real / scale) + zero_point`, half to even, saturated to the dtype's range. Source: Jacob et al.,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018), equation 1.
    """

    def __init__(self, spec: TensorSpec, shape: tuple[int, ...]) -> None:
        limits = np.iinfo(spec.dtype)
        self._lowest, self._highest = np.float32(limits.min), np.float32(limits.max)
        self._steps_per_unit = np.float32(1 / (spec.scale or 1))
        self._zero_point = np.float32(spec.zero_point or 0)
        self._steps = np.empty(shape, np.float32)
        self._stored = np.empty(shape, spec.dtype)

    def __call__(self, real: NDArray[np.float32]) -> NDArray[Any]:
        """Quantizes an array of the shape that was promised; the result is overwritten by the next call."""
        steps = self._steps
        np.multiply(real, self._steps_per_unit, out=steps)
        np.rint(steps, out=steps)
        np.add(steps, self._zero_point, out=steps)
        np.maximum(steps, self._lowest, out=steps)
        np.minimum(steps, self._highest, out=steps)
        np.copyto(self._stored, steps, casting="unsafe")
        return self._stored


def dequantize(stored: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    """`real = scale * (q - zero_point)`, as float32."""
    return (stored.astype(np.float32) - np.float32(spec.zero_point or 0)) * np.float32(spec.scale or 1)
