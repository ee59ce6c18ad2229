"""Checking feeds, and conversion between float32 and a model's own floats and integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import InputRefusedError
from crossrt.runtimes.protocol import Feeds

Conversion = Callable[[NDArray[Any]], NDArray[Any]]


def refusal(feeds: Feeds, specs: Sequence[TensorSpec]) -> InputRefusedError | None:
    """Says what is wrong with feeds, or None where they fit."""
    if not isinstance(feeds, Mapping):
        return InputRefusedError(f"feeds are a mapping from input names to arrays; found {type(feeds).__name__}")
    expected = {spec.name: spec for spec in specs}
    if feeds.keys() != expected.keys():
        return InputRefusedError(f"the inputs are named {_names(expected)}; the feeds are named {_names(feeds)}")
    for name, spec in expected.items():
        feed = feeds[name]
        if not isinstance(feed, np.ndarray):
            return InputRefusedError(f"input {name} must be a numpy array; found {type(feed).__name__}")
        if not _has_dtype(feed, spec.dtype) or feed.shape != spec.shape:
            return InputRefusedError(f"input {name} takes {spec.dtype} {spec.shape}; found {feed.dtype} {feed.shape}")
    return None


def _has_dtype(feed: NDArray[Any], dtype: str) -> bool:
    return feed.dtype.kind == "U" if dtype == "str" else feed.dtype == dtype


def _names(keyed: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, keyed))) or "nothing"


def input_conversion(own: TensorSpec, shown: TensorSpec) -> Conversion | None:
    """How a feed becomes what the file takes, or None where it is that already.

    Args:
        own: The file's own input; every dimension is a number.
        shown: The input as the session shows it.
    """
    if own.dtype == shown.dtype:
        return None
    shape = tuple(size for size in own.shape if isinstance(size, int))
    return Quantizer(own, shape) if own.is_quantized else _Cast(own.dtype, shape)


def output_conversion(own: TensorSpec, shown: TensorSpec) -> Conversion | None:
    """How an output of the file becomes what the session gives, or None where it is that already."""
    if own.dtype == shown.dtype:
        return _as_text if own.dtype == "str" else None
    if own.is_quantized:
        return lambda stored: dequantize(stored, own)
    return _as_float32


def _as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    return array.astype(np.float32)


def _as_text(array: NDArray[Any]) -> NDArray[np.str_]:
    return array.astype(np.str_)


class _Cast:
    """Turns float32 into another float type, in a buffer that is made once."""

    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        self._stored = np.empty(shape, dtype)

    def __call__(self, real: NDArray[np.float32]) -> NDArray[Any]:
        np.copyto(self._stored, real, casting="same_kind")
        return self._stored


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
