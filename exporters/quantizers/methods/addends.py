"""Sums that ONNX Runtime folds into a Gemm: a residual connection becomes a third input that the model computes."""

from __future__ import annotations

import onnx_ir as ir

from crossrt.exporters.quantizers.methods.layers import layers_of


def split_addends(model: ir.Model) -> None:
    """Makes a Gemm that adds what the model computes one without a bias, and an Add behind it: the same function.

    The Gemm has room for a bias of its own then. One that multiplies what it adds (beta) stays.
    """
    for layer in layers_of(model):
        beta = layer.node.attributes.get("beta")
        if layer.node.op_type == "Gemm" and layer.adds_tensor and (beta is None or beta.as_float() == 1):
            _split(layer.node)


def _split(node: ir.Node) -> None:
    graph, result, addend = node.graph, node.outputs[0], node.inputs[2]
    assert graph is not None
    node.resize_inputs(2)
    add = ir.node("Add", [result, addend], name=f"{node.name}_addend")
    total, name = add.outputs[0], result.name
    graph.insert_after(node, add)
    ir.convenience.replace_all_uses_with(result, total, replace_graph_outputs=True)
    add.replace_input_with(0, result)
    result.name, total.name = f"{name}_product", name
    total.type, total.shape = result.type, result.shape
