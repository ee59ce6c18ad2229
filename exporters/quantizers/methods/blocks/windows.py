"""Operators that look through windows: convolution and pooling.

A tap is one place of the kernel: what it sees of the padded input is a strided slice. Pooling goes tap by tap. A
convolution copies what all taps see of a few samples, as many as fit the cache of a core, and is one matrix product
over it, so that memory stays that of the input.
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

    def taps(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Each place of the kernel, and an index for what it sees of a padded input; space lies last."""
        for tap in np.ndindex(*self.kernel):
            starts = [place * step for place, step in zip(tap, self.dilations, strict=True)]
            sides = zip(starts, self.places, self.strides, strict=True)
            seen = (slice(start, start + (count - 1) * stride + 1, stride) for start, count, stride in sides)
            yield tap, (..., *seen)

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


def _conv(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    x, weights, *rest = inputs
    assert x is not None
    assert weights is not None
    groups, batch = number(node, "group", 1), len(x)
    windows = _Windows.of(node, x.shape[2:], weights.shape[2:])
    matrices = weights.reshape(groups, len(weights) // groups, -1)
    padded = windows.padded(np.moveaxis(x, 1, 0))
    padded = padded.reshape(groups, -1, *padded.shape[1:])  # groups, channels of a group, samples, *space
    sums = np.empty((*matrices.shape[:2], batch * math.prod(windows.places)), padded.dtype)
    for _, columns, patches in _patches(windows, padded):
        np.matmul(matrices, patches, out=sums[..., columns])
    result = np.moveaxis(sums.reshape(len(weights), batch, *windows.places), 0, 1)
    if rest and rest[0] is not None:
        result += rest[0].reshape(-1, *[1] * len(windows.kernel))

    def by_input(g: Array) -> Array:
        rows, back = np.moveaxis(g, 1, 0).reshape(sums.shape), np.zeros_like(padded)
        for samples, columns in _parts(windows, padded):
            seen_by = matrices.swapaxes(1, 2) @ rows[..., columns]
            seen_by = seen_by.reshape(*padded.shape[:2], *windows.kernel, -1, *windows.places)
            for tap, seen in windows.taps():
                back[:, :, samples][seen] += seen_by[:, :, *tap]
        return np.moveaxis(windows.cropped(back).reshape(x.shape[1], batch, *x.shape[2:]), 1, 0)

    def by_weight(g: Array) -> Array:
        rows, found = np.moveaxis(g, 1, 0).reshape(sums.shape), np.zeros_like(matrices)
        for _, columns, patches in _patches(windows, padded):
            found += rows[..., columns] @ patches.swapaxes(1, 2)
        return found.reshape(weights.shape)

    return result, (by_input, by_weight)


def _patches(windows: _Windows, padded: Array) -> Iterator[tuple[slice, slice, Array]]:
    """What windows see, part by part, `(groups, channels and taps, samples and places)`, with the indices of a part.

    Args:
        windows: The windows.
        padded: What they look at, `(groups, channels, samples, *space)`.
    """
    for samples, columns in _parts(windows, padded):
        part = padded[:, :, samples]
        found = np.empty((*part.shape[:2], *windows.kernel, part.shape[2], *windows.places), part.dtype)
        for tap, seen in windows.taps():
            found[:, :, *tap] = part[seen]
        taps = part.shape[1] * math.prod(windows.kernel)
        yield samples, columns, found.reshape(len(part), taps, -1)


def _parts(windows: _Windows, padded: Array) -> Iterator[tuple[slice, slice]]:
    """The samples of each part, and its windows among those of all samples."""
    groups, channels, samples = padded.shape[:3]
    places = math.prod(windows.places)
    sample_bytes = groups * channels * math.prod(windows.kernel) * places * padded.itemsize
    size = max(1, _PATCHES_BYTES // sample_bytes)
    for start in range(0, samples, size):
        end = min(start + size, samples)
        yield slice(start, end), slice(start * places, end * places)


def _max_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded = windows.padded(x, -np.inf)
    taps = [seen for _, seen in windows.taps()]
    result = padded[taps[0]].copy(order="K")
    for seen in taps[1:]:
        np.maximum(result, padded[seen], out=result)

    def by_input(g: Array) -> Array:
        """The gradient goes to the first of equal values."""
        back, left = np.zeros_like(padded), g.copy(order="K")
        for seen in taps:
            part = left * (padded[seen] == result)
            back[seen] += part
            left -= part
        return windows.cropped(back)

    return result, (by_input,)


def _average_pool(node: ir.Node, inputs: Sequence[Array | None]) -> tuple[Array, Pulls]:
    (x,) = inputs
    assert x is not None
    windows = _Windows.of(node, x.shape[2:], numbers(node, "kernel_shape", ()))
    padded, ones = windows.padded(x), windows.padded(np.ones(x.shape[2:], x.dtype))
    ones = np.ones_like(ones) if number(node, "count_include_pad", 0) else ones
    taps = [seen for _, seen in windows.taps()]
    shares = np.asarray(1 / np.sum([ones[seen] for seen in taps], axis=0))
    result = np.sum([padded[seen] for seen in taps], axis=0) * shares

    def by_input(g: Array) -> Array:
        back = np.zeros_like(padded)
        for seen in taps:
            back[seen] += g * shares
        return windows.cropped(back)

    return result, (by_input,)


WINDOWS: Final[Mapping[str, Operator]] = {"AveragePool": _average_pool, "Conv": _conv, "MaxPool": _max_pool}
