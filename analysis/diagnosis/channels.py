"""How far apart the output channels of a layer's weights are."""

from __future__ import annotations

import numpy as np

from crossrt.analysis.onnx_graph import Graph, name_of, taken
from crossrt.exporters.quantizers.methods.layers import KINDS, Layer


def channel_spread(original: Graph, name: str) -> float | None:
    """The largest magnitude of a weight over the median of the largest magnitudes of its output channels.

    With one scale for the tensor, half of the channels have a resolution that is worse by at least this factor than
    with one of their own; its base-2 logarithm is the number of bits that they lose.

    Args:
        original: The float model.
        name: One of its constants.

    Returns:
        The ratio, at least 1; None where no layer with channels reads it, or half of the channels are 0.
    """
    weight = original.values.get(name)
    readers = [each for each in original.readers(name) if each.op_type in KINDS and name_of(taken(each, 1)) == name]
    if weight is None or weight.const_value is None or not readers:
        return None
    layer = Layer(node=readers[0], weight=weight, bias=None)
    values = np.abs(layer.values)
    if values.ndim < 2 or not values.size:
        return None
    channels = np.moveaxis(values, layer.output_axis, 0).reshape(values.shape[layer.output_axis], -1).max(axis=1)
    middle = float(np.median(channels))
    return float(channels.max()) / middle if middle else None
