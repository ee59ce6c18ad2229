"""Why a layer is computed in float: what the graph that was written to the file shows around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import onnx_ir as ir

from crossrt.analysis.explanation.schemes import same_scheme, scheme_of
from crossrt.analysis.onnx_graph import (
    DEQUANTIZE,
    LAYOUT,
    QUANTIZE,
    Graph,
    constant,
    inputs_of,
    name_of,
    named,
    readers,
    taken,
)
from crossrt.exporters.recipes.recipe import OnnxStatic

_EIGHT_BITS: Final = ("int8", "uint8")
_SEEN_THROUGH: Final = LAYOUT | {"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh"}
"""Operators that a runtime leaves out, or fuses into the one before."""
_TAKE_CHANNELS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_ONE_SCALE: Final = ("MaxPool", "Slice", "Gather", "Resize", "Pad", "Split", "TopK")
"""Operators that pick values: integers pass through them where one scale holds before and behind."""


def layer_of(written: Graph, kernel: ir.Node) -> ir.Node | None:
    """The node of the file that an optimised float kernel comes from.

    A kernel makes the tensor of its node, or is named after its node or its tensor. Where an activation was fused into
    it, the tensor is that of the activation.
    """
    maker = node = written.maker(name_of(kernel.outputs[0])) or _named_alike(written, kernel.name or "")
    while node is not None and node.op_type not in kernel.op_type and node.op_type in _SEEN_THROUGH:
        before = taken(node, 0)
        node = None if before is None else before.producer()
    return node if node is not None and node.op_type in kernel.op_type else maker


def _named_alike(written: Graph, name: str) -> ir.Node | None:
    """The node of the longest name, its own or its tensor's, with which another name begins."""
    names = {each: node for node in written.nodes for each in (node.name, name_of(node.outputs[0])) if each}
    fitting = [each for each in names if name.startswith(each)]
    return names[max(fitting, key=len)] if fitting else None


def reasons_for(layer: ir.Node, recipe: OnnxStatic | None, *, is_qoperator: bool) -> list[str]:
    """All that speaks against an integer kernel in the place of a layer.

    Args:
        layer: The layer, in the graph of the file.
        recipe: What was asked of the quantizer, where that is known.
        is_qoperator: Whether quantized operators stand in the file, in place of conversions around float ones.
    """
    asked = list(_asked(layer, recipe)) if recipe is not None else []
    if asked or is_qoperator:
        return asked or list(_in_qoperator(layer))
    if not _is_surrounded(layer):
        return list(_untouched(layer))
    found = [*_inputs(layer), *_outputs(layer), *_types(layer), *_scales(layer)]
    return found or [_complete(layer)]


def _asked(layer: ir.Node, recipe: OnnxStatic) -> Iterator[str]:
    if layer.name in recipe.nodes_to_exclude:
        yield "the recipe excludes it by name (nodes_to_exclude)"
    if recipe.op_types_to_quantize and layer.op_type not in recipe.op_types_to_quantize:
        yield f"the recipe leaves out {layer.op_type} (op_types_to_quantize)"


def _in_qoperator(layer: ir.Node) -> Iterator[str]:
    from onnxruntime.quantization.registry import QLinearOpsRegistry

    if layer.op_type not in QLinearOpsRegistry:
        yield f"the quantizer has no integer operator for {layer.op_type}"


def _untouched(layer: ir.Node) -> Iterator[str]:
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    if layer.op_type not in {*QDQRegistry, *QLinearOpsRegistry}:
        yield f"the quantizer does not quantize {layer.op_type}"


def _is_surrounded(layer: ir.Node) -> bool:
    """True if the quantizer put a conversion before or behind it."""
    before = any(_dequantize(value) is not None for value in layer.inputs)
    return before or any(node.op_type == QUANTIZE for value in layer.outputs for node in readers(value))


def _dequantize(value: ir.Value | None) -> ir.Node | None:
    maker = None if value is None else value.producer()
    return maker if maker is not None and maker.op_type == DEQUANTIZE else None


def _inputs(layer: ir.Node) -> Iterator[str]:
    for value in inputs_of(layer):
        if constant(value) is not None or _dequantize(value) is not None:
            continue
        maker = value.producer()
        origin = "is an input of the model" if maker is None else f"comes from {named([maker])}"
        yield f"its input {value.name} {origin}, in float"


def _outputs(layer: ir.Node) -> Iterator[str]:
    """An integer kernel gives its result to one QuantizeLinear, and to nobody else."""
    output = layer.outputs[0]
    found = readers(output)
    if output.is_graph_output():
        yield f"its output {output.name} is an output of the model, in float"
    if len(found) > 1:
        yield f"its output has {len(found)} readers: {named(found)}"
    elif len(found) == 1 and found[0].op_type != QUANTIZE:
        yield f"its output goes to {named(found)} before it is quantized"


def _types(layer: ir.Node) -> Iterator[str]:
    wide = {each: None for each in _dtypes(layer) if each not in (*_EIGHT_BITS, "int32")}
    if wide:
        yield f"{' and '.join(wide)} around it, and integer kernels take 8 bits"


def _before(layer: ir.Node) -> list[ir.Node]:
    return [node for value in layer.inputs if (node := _dequantize(value)) is not None]


def _behind(layer: ir.Node) -> list[ir.Node]:
    return [node for node in readers(layer.outputs[0]) if node.op_type == QUANTIZE]


def _dtypes(layer: ir.Node) -> list[str]:
    """Integer types before and behind a layer, each once."""
    return list(dict.fromkeys(scheme_of(node)[1] for node in (*_before(layer), *_behind(layer))))


def _scales(layer: ir.Node) -> Iterator[str]:
    before, behind = _before(layer), _behind(layer)
    for node in before if layer.op_type not in _TAKE_CHANNELS else before[:1]:
        scales, _ = scheme_of(node)
        if scales is not None and scales.size > 1:
            yield f"its input {node.outputs[0].name} has {scales.size} scales, one for each channel"
    if layer.op_type in _ONE_SCALE and before and behind and not same_scheme(before[0], behind[0]):
        yield "its integers have another scale before it than behind it"


def _complete(layer: ir.Node) -> str:
    types = " and ".join(_dtypes(layer))
    return f"quantized on all sides ({types}), but the runtime has put no integer kernel in its place"
