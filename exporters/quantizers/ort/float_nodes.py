"""Keeps ONNX Runtime from quantizing the nodes that were left in float.

When it loads a QDQ file, ONNX Runtime's `WeightBiasQuantization` quantizes the float weights of Conv, ConvTranspose and
Gemm between a DequantizeLinear and a QuantizeLinear, to int8 with one scale for the whole tensor: a layer that was
excluded for its weights is quantized after all, and worse than before. It leaves alone what is dequantized with a scale
for each channel, so that such a node gets a DequantizeLinear of its own with the same scale for every channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

_CHANNELS_OF_WEIGHTS: Final = {"Conv": 1, "ConvTranspose": 0}


def keep_in_float(path: Path) -> None:
    """Changes a QDQ file in place where a node has float weights behind a DequantizeLinear of one scale."""
    model = onnx.load(path)
    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    added: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        weights = constants.get(node.input[1]) if len(node.input) > 1 else None
        before = makers.get(node.input[0]) if node.input else None
        if weights is None or before is None or before.op_type != "DequantizeLinear":
            continue
        channels = _channels(node, weights)
        if channels is None or before.input[1] not in constants or constants[before.input[1]].dims:
            continue
        added[node.name] = _spread(before, node, channels, constants, graph)
    if not added:
        return
    _insert(graph, added)
    _remove_unread(graph)
    onnx.save(model, path)


def _channels(node: onnx.NodeProto, weights: onnx.TensorProto) -> int | None:
    """How many channels the input has on axis 1, or None for a node that is left alone anyway."""
    if weights.data_type != onnx.TensorProto.FLOAT:
        return None
    options = {each.name: each.i for each in node.attribute}
    if node.op_type == "Gemm":
        return None if options.get("transA") else int(weights.dims[1 if options.get("transB") else 0])
    if node.op_type not in _CHANNELS_OF_WEIGHTS:
        return None
    count = int(weights.dims[_CHANNELS_OF_WEIGHTS[node.op_type]])
    return count * options.get("group", 1) if node.op_type == "Conv" else count


def _spread(
    before: onnx.NodeProto,
    node: onnx.NodeProto,
    channels: int,
    constants: dict[str, onnx.TensorProto],
    graph: onnx.GraphProto,
) -> onnx.NodeProto:
    """A DequantizeLinear for one node, with the scale of `before` for each channel."""
    stem = f"{node.name}_float_input"
    inputs = [before.input[0]]
    for name in before.input[1:]:
        value = numpy_helper.to_array(constants[name])
        spread = numpy_helper.from_array(np.full(channels, value, value.dtype), f"{stem}_{len(inputs)}")
        graph.initializer.append(spread)
        inputs.append(spread.name)
    node.input[0] = stem
    return helper.make_node(
        "DequantizeLinear", inputs, [stem], name=f"{stem}_DequantizeLinear", axis=1, domain=before.domain
    )


def _insert(graph: onnx.GraphProto, added: dict[str, onnx.NodeProto]) -> None:
    """Puts each new node before the one that reads it."""
    nodes = [each for node in graph.node for each in (added.get(node.name), node) if each is not None]
    del graph.node[:]
    graph.node.extend(nodes)


def _remove_unread(graph: onnx.GraphProto) -> None:
    """Removes DequantizeLinear nodes that nobody reads any more."""
    read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    kept = [node for node in graph.node if node.op_type != "DequantizeLinear" or read & set(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
