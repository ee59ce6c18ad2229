"""What each output of a layer is a product with, laid out as rows: inputs of a matrix product, patches of an image."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from crossrt.exporters.quantizers.methods.layers import Array, Layer, number, numbers


def rows_of(layer: Layer, values: Array) -> Array:
    """Rows `(groups, rows, inputs of an output)`, so that the layer's sums are `rows @ matrices.T`, without a bias.

    Args:
        layer: The layer.
        values: What it takes, `(batch, channels, *space)` for a convolution, else `(..., inputs)`.
    """
    if layer.node.op_type != "Conv":
        flat = values.reshape(-1, values.shape[-1])
        return (flat.T if number(layer.node, "transA", 0) else flat)[None]
    kernel = layer.values.shape[2:]
    ones = (1,) * len(kernel)
    strides, dilations = (numbers(layer.node, name, ones) for name in ("strides", "dilations"))
    reach = tuple((size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True))
    padded = np.pad(values, [(0, 0), (0, 0), *pads_of(layer.node, values.shape[2:], reach, strides)])
    windows = sliding_window_view(padded, reach, axis=tuple(range(2, values.ndim)))
    places = (slice(None, None, step) for step in strides)
    taps = (slice(None, None, step) for step in dilations)
    windows = windows[(slice(None), slice(None), *places, *taps)]
    batch, channels, *_ = windows.shape
    space = windows.shape[2 : 2 + len(kernel)]
    grouped = windows.reshape(batch, layer.groups, channels // layer.groups, int(np.prod(space)), *kernel)
    moved = np.moveaxis(grouped, (1, 0, 3), (0, 1, 2))  # groups, batch, places, channels, kernel
    return moved.reshape(layer.groups, batch * int(np.prod(space)), -1)


def pads_of(
    node: ir.Node, space: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Padding before and after each axis of space, as ONNX's Conv and pooling define it.

    Args:
        node: The operator.
        space: Sizes of its input.
        reach: Sizes of its windows, dilations included.
        strides: From one window to the next.
    """
    given = node.attributes.get("auto_pad")
    how = "NOTSET" if given is None else given.as_string()
    if how == "NOTSET":
        pads = numbers(node, "pads", (0,) * (2 * len(space)))
        return list(zip(pads[: len(space)], pads[len(space) :], strict=True))
    if how == "VALID":
        return [(0, 0)] * len(space)
    found = []
    for size, width, stride in zip(space, reach, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + width - size)
        small, large = total // 2, total - total // 2
        found.append((small, large) if how == "SAME_UPPER" else (large, small))
    return found
