"""Operators that look through windows: convolution and pooling, computed tap by tap.

A tap is one place of the kernel: what it sees of the padded input is a strided slice, so that forward and backward are
the same few slices, and memory stays that of the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.gradients import Operator, Pull
from crossrt.exporters.quantizers.methods.layers import Array, number, numbers
from crossrt.exporters.quantizers.methods.patches import pads_of


@dataclass(frozen=True, slots=True)
class _Windows:
    """Where the windows of an operator lie.

    Attributes:
        kernel: Its size.
        pads: Before and after each axis of space.
        places: How many windows there are along each axis.
        strides: From one window to the next.
        dilations: From one tap to the next.
    """

    kernel: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    places: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @classmethod
    def of(cls, node: ir.Node, space: tuple[int, ...], kernel: tuple[int, ...]) -> _Windows:
        ones = (1,) * len(kernel)
        strides, dilations = (numbers(node, name, ones) for name in ("strides", "dilations"))
        reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
        pads = pads_of(node, space, reach, strides)
        sides = zip(space, pads, reach, strides, strict=True)
        places = tuple((size + sum(pad) - width) // stride + 1 for size, pad, width, stride in sides)
        return cls(kernel, tuple(pads), places, strides, dilations)

    def taps(self) -> Iterator[tuple[Any, Any]]:
        """An index for each place of the kernel, and one for what it sees of a padded input; space lies last."""
        for tap in np.ndindex(*self.kernel):
            starts = [place * step for place, step in zip(tap, self.dilations, strict=True)]
            sides = zip(starts, self.places, self.strides, strict=True)
            seen = (slice(start, start + (count - 1) * stride + 1, stride) for start, count, stride in sides)
            yield (..., *tap), (..., *seen)

    def padded(self, x: Array, value: float = 0.0) -> Array:
        """An input with its padding; the axes of space are the last ones."""
        if not any(map(any, self.pads)):
            return x
        outer = [(0, 0)] * (x.ndim - len(self.pads))
        return np.pad(x, [*outer, *self.pads], constant_values=value)

    def cropped(self, padded: Array) -> Array:
        """What is left of a padded array without its padding."""
        sizes = padded.shape[padded.ndim - len(self.pads) :]
        sides = zip(self.pads, sizes, strict=True)
        inner: Any = (..., *(slice(before, size - after) for (before, after), size in sides))
        return np.asarray(padded[inner])


def _conv(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pull]:
    x, weights, *rest = inputs
    assert x is not None
    assert weights is not None
    bias = rest[0] if rest else None
    groups, batch = number(node, "group", 1), len(x)
    windows = _Windows.of(node, x.shape[2:], weights.shape[2:])
    by_group = weights.reshape(groups, len(weights) // groups, *weights.shape[1:])
    padded = windows.padded(np.moveaxis(x, 1, 0))
    padded = padded.reshape(groups, -1, *padded.shape[1:])
    sums: Any = 0.0
    for tap, seen in windows.taps():
        sums = sums + by_group[tap] @ _rows(padded, seen)
    result = np.moveaxis(sums.reshape(len(weights), batch, *windows.places), 0, 1)
    if bias is not None:
        result = result + bias.reshape(-1, *[1] * len(windows.kernel))

    def pull(g: Array) -> tuple[Array | None, ...]:
        rows = np.ascontiguousarray(np.moveaxis(g, 1, 0)).reshape(groups, len(weights) // groups, -1)
        by_input, by_weight = np.zeros_like(padded), np.zeros_like(by_group)
        for tap, seen in windows.taps():
            by_weight[tap] = rows @ _rows(padded, seen).swapaxes(1, 2)
            part = by_group[tap].swapaxes(1, 2) @ rows
            by_input[seen] += part.reshape(*padded.shape[:3], *windows.places)
        inner = windows.cropped(by_input).reshape(x.shape[1], batch, *x.shape[2:])
        return np.moveaxis(inner, 1, 0), by_weight.reshape(weights.shape), *(None for _ in rest)

    return result, pull


def _rows(padded: Array, seen: Any) -> Array:
    """What a tap sees, `(groups, channels, samples and places)`."""
    return np.reshape(padded[seen], (*padded.shape[:2], -1))


def _max_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pull]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded = windows.padded(x, -np.inf)
    result = np.full((*x.shape[:2], *windows.places), -np.inf, x.dtype)
    winner = np.zeros(result.shape, np.int32)
    for place, (_, seen) in enumerate(windows.taps()):
        value = padded[seen]
        winner = np.where(value > result, place, winner)
        result = np.maximum(result, value)

    def pull(g: Array) -> tuple[Array]:
        back = np.zeros(padded.shape, g.dtype)
        for place, (_, seen) in enumerate(windows.taps()):
            back[seen] += g * (winner == place)
        return (windows.cropped(back),)

    return result, pull


def _average_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pull]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded, ones = windows.padded(x), windows.padded(np.ones(x.shape[2:], x.dtype))
    ones = np.ones_like(ones) if number(node, "count_include_pad", 0) else ones
    taps = [seen for _, seen in windows.taps()]
    shares = np.asarray(1 / np.sum([ones[seen] for seen in taps], axis=0))
    result = np.sum([padded[seen] for seen in taps], axis=0) * shares

    def pull(g: Array) -> tuple[Array]:
        back = np.zeros_like(padded)
        for seen in taps:
            back[seen] += g * shares
        return (windows.cropped(back),)

    return result, pull


WINDOWS: Final[Mapping[str, Operator]] = {"AveragePool": _average_pool, "Conv": _conv, "MaxPool": _max_pool}
