"""Operators that look through windows: convolution and pooling.

A tap is one place of the kernel: what it sees of the padded input is a strided slice. Inside, samples are the last
axis, so that these slices are long runs of memory. A convolution copies what all taps see of a few rows of windows, as
many as fit the cache of a core, and is one matrix product over it: memory stays that of the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx_ir as ir

from crossrt.exporters.quantizers.methods.blocks.gradients import Operator, Pulls
from crossrt.exporters.quantizers.methods.layers import Array, number, numbers
from crossrt.exporters.quantizers.methods.patches import pads_of

_ALL: Final = slice(None)
_PATCHES_BYTES: Final = 2**20
"""About so much of what windows see is copied at a time."""


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

    def taps(self, rows: slice = _ALL) -> Iterator[tuple[Any, Any]]:
        """An index for each place of a kernel behind two axes, and one for what it sees of a padded input.

        Args:
            rows: The windows of some rows alone, which count along the first axis of space.
        """
        count = len(range(self.places[0])[rows])
        firsts, counts = (rows.start or 0, *[0] * len(self.places[1:])), (count, *self.places[1:])
        for tap in np.ndindex(*self.kernel):
            sides = zip(tap, self.dilations, firsts, counts, self.strides, strict=True)
            seen = (_slice(place * step + first * stride, size, stride) for place, step, first, size, stride in sides)
            yield (_ALL, _ALL, *tap), (..., *seen, _ALL)

    def padded(self, x: Array, value: float = 0.0) -> Array:
        """An input with its padding, samples last: `(samples, channels, *space)` as `(channels, *space, samples)`."""
        moved = _samples_last(x)
        if not any(map(any, self.pads)):
            return moved
        return np.pad(moved, [(0, 0), *self.pads, (0, 0)], constant_values=value)

    def cropped(self, padded: Array) -> Array:
        """The inverse: a padded array without its padding, samples first."""
        sides = zip(self.pads, padded.shape[1:], strict=False)
        inner: Any = (_ALL, *(slice(before, size - after) for (before, after), size in sides))
        return np.moveaxis(padded[inner], -1, 0)


def _slice(start: int, count: int, step: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step)


def _conv(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    x, weights, *rest = inputs
    assert x is not None
    assert weights is not None
    groups, batch = number(node, "group", 1), len(x)
    windows = _Windows.of(node, x.shape[2:], weights.shape[2:])
    matrices = weights.reshape(groups, len(weights) // groups, -1)
    padded = windows.padded(x)
    padded = padded.reshape(groups, -1, *padded.shape[1:])  # groups, channels of a group, *space, samples
    sums = np.empty((*matrices.shape[:2], math.prod(windows.places) * batch), padded.dtype)
    for columns, patches in _patches(windows, padded):
        np.matmul(matrices, patches, out=sums[..., columns])
    result = sums.reshape(len(weights), *windows.places, batch)
    if rest and rest[0] is not None:
        result += rest[0].reshape(-1, *[1] * (len(windows.kernel) + 1))

    def by_input(g: Array) -> Array:
        by_sums, back, turned = _samples_last(g).reshape(sums.shape), np.zeros_like(padded), matrices.swapaxes(1, 2)
        for rows, columns in _parts(windows, padded):
            by_patches = turned @ by_sums[..., columns]
            by_patches = by_patches.reshape(*padded.shape[:2], *windows.kernel, -1, *windows.places[1:], batch)
            for place, seen in windows.taps(rows):
                back[seen] += by_patches[place]
        return windows.cropped(back.reshape(-1, *back.shape[2:]))

    def by_weight(g: Array) -> Array:
        by_sums, found = _samples_last(g).reshape(sums.shape), np.zeros_like(matrices)
        for columns, patches in _patches(windows, padded):
            found += by_sums[..., columns] @ patches.swapaxes(1, 2)
        return found.reshape(weights.shape)

    return np.moveaxis(result, -1, 0), (by_input, by_weight)


def _samples_last(values: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(values, 0, -1))


def _patches(windows: _Windows, padded: Array) -> Iterator[tuple[slice, Array]]:
    """What windows see, part by part, `(groups, channels and taps, places and samples)`, with their places.

    Args:
        windows: The windows.
        padded: What they look at, `(groups, channels, *space, samples)`.
    """
    groups, channels, samples = *padded.shape[:2], padded.shape[-1]
    for rows, columns in _parts(windows, padded):
        places = (rows.stop - rows.start, *windows.places[1:])
        found = np.empty((groups, channels, *windows.kernel, *places, samples), padded.dtype)
        for place, seen in windows.taps(rows):
            found[place] = padded[seen]
        yield columns, found.reshape(groups, channels * math.prod(windows.kernel), -1)


def _parts(windows: _Windows, padded: Array) -> Iterator[tuple[slice, slice]]:
    """The rows of windows of each part, and where its sums lie among those of all."""
    groups, channels, samples = *padded.shape[:2], padded.shape[-1]
    row = math.prod(windows.places[1:]) * samples
    size = max(1, _PATCHES_BYTES // (groups * channels * math.prod(windows.kernel) * row * padded.itemsize))
    for start in range(0, windows.places[0], size):
        end = min(start + size, windows.places[0])
        yield slice(start, end), slice(start * row, end * row)


def _max_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded = windows.padded(x, -np.inf)
    taps = [seen for _, seen in windows.taps()]
    result = padded[taps[0]].copy()
    for seen in taps[1:]:
        np.maximum(result, padded[seen], out=result)

    def by_input(g: Array) -> Array:
        """The gradient goes to the first of equal values."""
        back, left = np.zeros_like(padded), _samples_last(g).copy()
        for seen in taps:
            part = left * (padded[seen] == result)
            back[seen] += part
            left -= part
        return windows.cropped(back)

    return np.moveaxis(result, -1, 0), (by_input,)


def _average_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded, ones = windows.padded(x), windows.padded(np.ones((1, 1, *x.shape[2:]), x.dtype))
    ones = np.ones_like(ones) if number(node, "count_include_pad", 0) else ones
    taps = [seen for _, seen in windows.taps()]
    shares = np.asarray(1 / sum(ones[seen] for seen in taps))
    result = np.asarray(sum(padded[seen] for seen in taps)) * shares

    def by_input(g: Array) -> Array:
        back, part = np.zeros_like(padded), _samples_last(g) * shares
        for seen in taps:
            back[seen] += part
        return windows.cropped(back)

    return np.moveaxis(result, -1, 0), (by_input,)


WINDOWS: Final[Mapping[str, Operator]] = {"AveragePool": _average_pool, "Conv": _conv, "MaxPool": _max_pool}
