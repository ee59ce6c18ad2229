"""Activations that the quantizer dropped although nothing takes their place."""

from __future__ import annotations

from collections.abc import Iterator

from crossrt.analysis.onnx_graph import PASSING, REMOVABLE, Graph, name_of, readers, taken


def lost_activations(quantized: Graph, original: Graph) -> Iterator[str]:
    """What QOperator files lose, each with its cause and cure.

    The quantizer leaves out a Relu or Clip whose input is quantized: the range of the layer before, which it narrows to
    the one behind, shall do the same. Behind an operator that only passes values on, or where others read the layer
    too, that range is not narrowed, and values that the activation would have cut off remain.
    """
    if not any(node.op_type.startswith("QLinear") or node.op_type == "QGemm" for node in quantized.nodes):
        return
    kept = {name_of(node.outputs[0]) for node in quantized.nodes if node.op_type in REMOVABLE}
    for node in original.nodes:
        before = taken(node, 0)
        maker = None if before is None else before.producer()
        if node.op_type not in REMOVABLE or before is None or maker is None or name_of(node.outputs[0]) in kept:
            continue
        is_shared = len(readers(before)) > 1
        if maker.op_type in PASSING or is_shared:
            why = "whose output others read too" if is_shared else "which passes values on at the scale before it"
            yield (
                f"qoperator drops {node.op_type} {node.name or name_of(node.outputs[0])} behind {maker.op_type}"
                f" {maker.name or name_of(before)}, {why}: set quant_format = qdq"
            )
