"""QDQ files: conversions between which no integer kernel can take the place of the layer.

ONNX Runtime puts an integer kernel where a layer takes DequantizeLinear on all sides, gives its result to one
QuantizeLinear, and types and axes are those of the kernel (its QDQ selectors for Conv, Gemm and MatMul).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import onnx_ir as ir

from crossrt.analysis.audit.record import Finding
from crossrt.analysis.findings.protocol import Outcome, check, named, not_applicable
from crossrt.analysis.findings.quantized_file import Layer, QuantizedFile, bits_of
from crossrt.analysis.onnx_graph import DEQUANTIZE, QUANTIZE, Graph, constant, name_of, readers, taken
from crossrt.analysis.onnx_graph import named as nodes_named

_FLOAT_RESULT: Final = ("Gemm", "MatMul")
"""Layers whose integer kernels may give floats."""
_FUSABLE: Final = ("Relu", "Clip", "LeakyRelu")
_PASSED: Final = ("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice")
"""Operators over which ONNX Runtime moves conversions to the layer by itself (its QDQ propagation)."""


@check("conversions", place=90)
def conversions(file: QuantizedFile) -> Outcome:
    """Pairs that contradict each other, and layers that stay in float between their conversions."""
    if file.graph is None or QUANTIZE not in file.kinds:
        return not_applicable("the file has no QuantizeLinear")
    found = list(_pairs(file.graph))
    wide = set()
    for layer in file.layers:
        node = _node(file.graph, layer)
        if node is None or layer.weight is None or layer.kind not in ("Conv", "Gemm", "MatMul", "ConvTranspose"):
            continue
        if types := _wide(layer):
            wide |= types
            continue
        found += _unfused(node, layer)
    if found:
        return Outcome(f"{len(found)} that no integer kernel replaces: {named([each.where for each in found])}", found)
    told = f"; with {' and '.join(sorted(wide))} ONNX Runtime computes layers in float" if wide else ""
    return Outcome(f"each QuantizeLinear has its DequantizeLinear, and no layer lacks one{told}")


def _node(graph: Graph, layer: Layer) -> ir.Node | None:
    return graph.by_name(layer.name) or graph.maker(layer.name)


def _wide(layer: Layer) -> set[str]:
    """Types for which there are no integer kernels: a choice, and no mistake."""
    stored = (layer.source, layer.weight, layer.output)
    return {each.dtype for each in stored if each is not None and (bits_of(each.dtype) != 8 or "float" in each.dtype)}


def _pairs(graph: Graph) -> Iterator[Finding]:
    """A DequantizeLinear that reads integers back with other parameters than they were written with."""
    for node in graph.nodes:
        before = taken(node, 0)
        maker = before.producer() if node.op_type == DEQUANTIZE and before is not None else None
        if maker is None or maker.op_type != QUANTIZE:
            continue
        for place, what in ((1, "scale"), (2, "zero point")):
            written, read = constant(taken(maker, place)), constant(taken(node, place))
            if written is None or read is None:
                continue
            if written.shape != read.shape or (written != read).any():
                yield Finding(
                    severity="wrong",
                    where=name_of(taken(maker, 0)),
                    found=f"written with {what} {_first(written)} and read with {_first(read)}",
                    expected="the same on both sides: values change on the way",
                    to_do="quantize it again",
                )


def _first(values: object) -> str:
    import numpy as np

    return f"{float(np.asarray(values).reshape(-1)[0]):.6g}"


def _unfused(node: ir.Node, layer: Layer) -> Iterator[Finding]:
    where = f"{layer.kind} {layer.name}"
    if reason := _input_problem(node):
        yield _finding(where, reason, "QuantizeLinear and DequantizeLinear before each input")
    if reason := _output_problem(node):
        yield _finding(where, reason, "one QuantizeLinear, and no other reader")
    weight, source, output = layer.weight, layer.source, layer.output
    rank = weight.integers.ndim if weight is not None and weight.integers is not None else 1
    is_along = weight is not None and weight.axis is not None and not weight.block_size
    if weight is not None and is_along and (weight.axis or 0) % rank != layer.channel_axis % rank:
        wanted = f"axis {layer.channel_axis}, that of the output channels"
        yield _finding(where, f"its weights have scales along axis {weight.axis}", wanted)
    if source is not None and source.affine.scale.size > 1:
        yield _finding(where, f"its input has {source.affine.scale.size} scales", "one for the tensor")
    if source is not None and output is not None and source.dtype != output.dtype:
        yield _finding(where, f"it takes {source.dtype} and gives {output.dtype}", "the same type on both sides")
    if source is not None and weight is not None and (source.dtype, weight.dtype) == ("int8", "uint8"):
        yield _finding(where, "int8 activations with uint8 weights", "int8 weights, or uint8 activations")


def _input_problem(node: ir.Node) -> str | None:
    value = taken(node, 0)
    maker = None if value is None else value.producer()
    while maker is not None and maker.op_type in _PASSED:
        value = taken(maker, 0)
        maker = None if value is None else value.producer()
    if value is None or (maker is not None and maker.op_type == DEQUANTIZE):
        return None
    origin = "is an input of the model" if maker is None else f"comes from {nodes_named([maker])}"
    return f"its input {value.name} {origin}, in float"


def _output_problem(node: ir.Node) -> str | None:
    value = node.outputs[0]
    found = readers(value)
    if len(found) == 1 and found[0].op_type in _FUSABLE and not value.is_graph_output():
        value = found[0].outputs[0]
        found = readers(value)
    while len(found) == 1 and found[0].op_type in _PASSED and not value.is_graph_output():
        value = found[0].outputs[0]
        found = readers(value)
    if node.op_type in _FLOAT_RESULT and (len(found) <= 1 or value.is_graph_output()):
        return None
    if value.is_graph_output():
        return f"its output {value.name} is an output of the model, in float"
    floats = [each for each in found if each.op_type != QUANTIZE]
    if floats and node.op_type not in _FLOAT_RESULT:
        return f"its output goes to {nodes_named(floats[:3])} before it is quantized"
    return None


def _finding(where: str, found: str, expected: str) -> Finding:
    return Finding(
        severity="caution",
        where=where,
        found=found,
        expected=expected,
        to_do="quantize it again with that in place, or leave the layer in float as a whole: now it pays for both",
    )
