"""Activations that QOperator files lose: the quantizer drops them although nothing takes their place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import onnx

REMOVABLE: Final = ("Relu", "Clip")
"""Activations that the quantizer folds into the range of the tensor before them."""

PASSING: Final = frozenset(
    (
        *("MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity"),
        *("Slice", "Gather", "Pad", "Resize", "Split", "Expand", "Tile"),
    )
)
"""Operators whose output keeps the scale of their input."""


def lost_activations(original: onnx.GraphProto, quantized: onnx.GraphProto | None = None) -> Iterator[str]:
    """What a QOperator file loses, each with its cause and cure.

    The quantizer leaves out a Relu or Clip whose input is quantized: the range of the layer before, which it narrows to
    the one behind, shall do the same. Behind an operator that only passes values on, or where others read the tensor
    too, that range is not narrowed, and values that the activation would have cut off remain.

    Args:
        original: The float model.
        quantized: What became of it; without it, what must be expected is told.
    """
    if quantized is not None and not any(node.op_type.startswith(("QLinear", "QGemm")) for node in quantized.node):
        return
    kept = {name for node in (quantized.node if quantized else ()) if node.op_type in REMOVABLE for name in node.output}
    makers = {name: node for node in original.node for name in node.output}
    inputs = {each.name for each in original.input}
    for node in original.node:
        if node.op_type not in REMOVABLE or node.output[0] in kept:
            continue
        before = node.input[0]
        maker = makers.get(before)
        if maker is None and before not in inputs:
            continue
        why = _why(original, before, maker)
        if why is not None:
            name = node.name or node.output[0]
            behind = f"the input {before}" if maker is None else f"{maker.op_type} {maker.name or before}"
            yield f"qoperator drops {node.op_type} {name} behind {behind}, {why}: set quant_format = qdq"


def _why(graph: onnx.GraphProto, tensor: str, maker: onnx.NodeProto | None) -> str | None:
    """Why the range of a tensor is not that of the activation behind it, or None where it is."""
    readers = sum(list(node.input).count(tensor) for node in graph.node)
    if readers + any(each.name == tensor for each in graph.output) > 1:
        return "which others read too" if maker is None else "whose output others read too"
    if maker is not None and maker.op_type in PASSING:
        return "which passes values on at the scale before it"
    return None
